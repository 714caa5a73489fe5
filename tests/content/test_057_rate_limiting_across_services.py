"""Scenario 57: two services on one real PostgreSQL; one of them takes whatever it can get."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings as project_settings
from django.db import OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.http import JsonResponse
from django.urls import path
from imports.budget import seconds_to_wait
from imports.products import BATCH, import_products
from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests
from shop.models import Product

NEEDS = ("postgresql", "redis")

REPORTING_LIMIT = 8


@contextmanager
def session(user=None, **options):
    """A connection as another service, or an administrator, would have it."""
    given = connection.settings_dict
    options = {"autocommit": True, **options}
    with psycopg.connect(
        dbname=given["NAME"], user=user or "postgres", host=given["HOST"], port=given["PORT"], **options
    ) as connected:
        yield connected


@pytest.fixture(autouse=True)
def roles(db):
    """The roles of the answer, as its SQL makes them."""
    with session() as admin:
        admin.execute(Path("ops/roles.sql").read_text())
        yield
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename IN ('reporting', 'storefront')"
        )
        admin.execute("DROP ROLE reporting; DROP ROLE storefront")


@pytest.fixture
def change():
    """Alter a role as an administrator would."""
    with session() as admin:
        yield admin.execute


def take_all(user, stack, most=200):
    """Open sessions until the server refuses; how many there are, and what it said."""
    for taken in range(most):
        try:
            stack.enter_context(session(user))
        except psycopg.OperationalError as error:
            return taken, str(error)
    raise AssertionError("never refused")


def show(user, setting):
    with session(user) as connected:
        return connected.execute(f"SHOW {setting}").fetchone()[0]


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


class TestOneRolePerService:
    def test_the_noisy_service_cannot_take_the_last_connection(self):
        with ExitStack() as noisy:
            taken, refusal = take_all("reporting", noisy)
            assert taken == REPORTING_LIMIT
            assert 'too many connections for role "reporting"' in refusal
            with session("storefront") as neighbour:
                assert neighbour.execute("SELECT 1").fetchone() == (1,)

    def test_without_limits_it_takes_them_all_and_the_neighbour_starves(self, change):
        change("ALTER ROLE reporting CONNECTION LIMIT -1")
        with ExitStack() as noisy:
            taken, _ = take_all("reporting", noisy)
            assert taken > 80
            with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
                noisy.enter_context(session("storefront"))

    def test_one_user_for_all_services_leaves_nothing_to_tell_them_apart(self):
        with ExitStack() as stack:
            take_all("reporting", stack)
            with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
                stack.enter_context(session("reporting", application_name="storefront"))

    def test_a_new_limit_leaves_open_sessions_open(self, change):
        with ExitStack() as stack:
            sessions = [stack.enter_context(session("reporting")) for _ in range(3)]
            change("ALTER ROLE reporting CONNECTION LIMIT 1")
            assert [s.execute("SELECT 1").fetchone() for s in sessions] == [(1,)] * 3
            with pytest.raises(psycopg.OperationalError, match="too many connections"):
                stack.enter_context(session("reporting"))

    def test_a_superuser_is_not_bound_and_gets_the_reserved_slots(self, change):
        change("CREATE ROLE careless LOGIN SUPERUSER CONNECTION LIMIT 1")
        change("ALTER ROLE reporting CONNECTION LIMIT -1")
        try:
            with ExitStack() as stack:
                take_all("reporting", stack)
                for _ in range(2):
                    stack.enter_context(session("careless"))
        finally:
            change("DROP ROLE careless")


class TestTheOtherLimits:
    def test_each_role_has_its_own_time_limit(self):
        assert show("storefront", "statement_timeout") == "5s"
        assert show("reporting", "statement_timeout") == "1min"
        assert show("postgres", "statement_timeout") == "0"

    def test_a_long_statement_is_cancelled(self, change):
        change("ALTER ROLE storefront SET statement_timeout = '50ms'")
        with session("storefront") as connected, pytest.raises(errors.QueryCanceled):
            connected.execute("SELECT pg_sleep(20)")

    def test_a_transaction_that_idles_is_ended(self, change):
        assert show("reporting", "idle_in_transaction_session_timeout") == "10s"
        change("ALTER ROLE reporting SET idle_in_transaction_session_timeout = '50ms'")
        with session("reporting", autocommit=False) as connected:
            connected.execute("SELECT 1")
            pid = connected.info.backend_pid
            with session() as admin:
                until(
                    lambda: (
                        not admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
                    )
                )
            with pytest.raises(errors.IdleInTransactionSessionTimeout):
                connected.execute("SELECT 1")
            connected.close()

    def test_a_report_does_not_get_parallel_workers(self):
        assert show("reporting", "max_parallel_workers_per_gather") == "0"
        assert show("storefront", "max_parallel_workers_per_gather") == "2"

    def test_a_query_that_fills_the_disk_is_ended(self, change):
        assert show("reporting", "temp_file_limit") == "2GB"
        change("ALTER ROLE reporting SET temp_file_limit = '1MB'")
        sort = "SELECT count(*) FROM (SELECT n FROM generate_series(1, 500000) AS n ORDER BY -n) AS sorted"
        with session("reporting", options="-c work_mem=64kB") as connected:
            with pytest.raises(errors.ConfigurationLimitExceeded):
                connected.execute(sort)

    def test_the_role_can_lift_its_time_limit_but_neither_the_disk_nor_the_connection_limit(self):
        with session("reporting") as connected:
            connected.execute("SET statement_timeout = 0")
            for attempt in (
                "SET temp_file_limit = -1",
                "ALTER ROLE reporting SET temp_file_limit = -1",
                "ALTER ROLE reporting CONNECTION LIMIT -1",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connected.execute(attempt)


@contextmanager
def pool_of(user="reporting", **changed):
    """Connections as Django makes them in one process of the service, with the pool of the answer."""
    own = connection.settings_dict
    pool = own["OPTIONS"]["pool"] | {"min_size": 0, **changed}
    wanted = own | {"USER": user, "OPTIONS": own["OPTIONS"] | {"pool": pool}}
    made = []

    def connect():
        made.append(DatabaseWrapper(wanted, user))  # Django has one pool per alias
        made[-1].inc_thread_sharing()
        made[-1].ensure_connection()
        return made[-1]

    try:
        yield connect
    finally:
        for wrapper in made:
            wrapper.close()
        made[0].close_pool()


class TestThePool:
    def test_a_process_never_has_more_than_its_part(self):
        pool = project_settings.DATABASES["default"]["OPTIONS"]["pool"]
        assert 2 * 2 * pool["max_size"] == REPORTING_LIMIT  # two processes, twice while deploying
        with pool_of(timeout=1) as connect:
            for _ in range(pool["max_size"]):
                connect()
            with pytest.raises(OperationalError) as caught:
                connect()
        assert isinstance(caught.value.__cause__, PoolTimeout)

    def test_a_queue_that_is_full_refuses_at_once(self):
        with pool_of(max_size=1, max_waiting=1, timeout=5) as connect, ThreadPoolExecutor(1) as thread:
            first = connect()
            waiting = thread.submit(connect)
            until(lambda: first.pool.get_stats()["requests_waiting"] == 1)
            began = time.monotonic()
            with pytest.raises(OperationalError) as caught:
                connect()
            assert time.monotonic() - began < 1
            assert isinstance(caught.value.__cause__, TooManyRequests)
            first.close()
            waiting.result()

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_when_the_role_is_at_its_limit_the_pool_says_so_after_its_timeout(self):
        with ExitStack() as stack:
            take_all("reporting", stack)
            with pool_of(timeout=0.3) as connect, pytest.raises(OperationalError) as caught:
                connect()
        assert isinstance(caught.value.__cause__, PoolTimeout)


class TestShedding:
    @pytest.fixture
    def page(self, settings):
        """Serves a view that does `work` and says so."""

        def serve(work):
            def view(request):
                work()
                return JsonResponse({"done": True})

            settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("page/", view)]})

        return serve

    def test_no_connection_in_time_is_503_and_the_neighbour_answers_meanwhile(self, client, page):
        with pool_of(max_size=1, timeout=1) as reporting, pool_of("storefront") as storefront:
            reporting()
            page(reporting)
            response = client.get("/page/")
            assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
            page(storefront)
            assert client.get("/page/").status_code == 200

    def test_a_full_queue_is_503_at_once(self, client, page):
        with pool_of(max_size=1, max_waiting=1, timeout=5) as connect, ThreadPoolExecutor(1) as thread:
            first = connect()
            waiting = thread.submit(connect)
            until(lambda: first.pool.get_stats()["requests_waiting"] == 1)
            page(connect)
            assert client.get("/page/").status_code == 503
            first.close()
            waiting.result()

    def test_another_database_error_is_not_dressed_up_as_overload(self, client, page):
        def cancelled():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '20ms'")
                cursor.execute("SELECT pg_sleep(20)")

        page(cancelled)
        with pytest.raises(OperationalError, match="statement timeout"):
            client.get("/page/")


class TestTheTokenBucket:
    @pytest.fixture(autouse=True)
    def empty(self):
        with redis.Redis.from_url(project_settings.REDIS_URL) as client:
            client.flushdb()
            yield client

    def test_a_burst_is_free_and_then_the_rate_holds(self):
        waits = [seconds_to_wait("importer", rate=1, burst=5) for _ in range(6)]
        assert waits[:5] == [0] * 5
        assert 0 < waits[5] <= 1

    def test_who_waited_as_told_may_go_on(self):
        for _ in range(3):
            while wait := seconds_to_wait("importer", rate=4, burst=1):
                time.sleep(wait)
        assert seconds_to_wait("importer", rate=4, burst=1) > 0

    def test_being_refused_costs_no_token(self):
        assert seconds_to_wait("importer", rate=10, burst=1) == 0
        refused = [seconds_to_wait("importer", rate=10, burst=1) for _ in range(20)]
        assert max(refused) <= 1 / 10

    def test_all_processes_share_one_bucket(self):
        taken = []

        def process(_):
            while len(taken) < 20:
                if wait := seconds_to_wait("importer", rate=50, burst=5):
                    time.sleep(wait)
                else:
                    taken.append(time.monotonic())

        began = time.monotonic()
        with ThreadPoolExecutor(4) as processes:
            list(processes.map(process, range(4)))
        assert sorted(taken)[19] - began >= (20 - 5) / 50 - 0.01

    def test_another_service_has_a_bucket_of_its_own(self):
        assert seconds_to_wait("importer", rate=1, burst=1) == 0
        assert seconds_to_wait("importer", rate=1, burst=1) > 0
        assert seconds_to_wait("search", rate=1, burst=1) == 0

    def test_an_idle_bucket_leaves_redis(self, empty):
        seconds_to_wait("importer", rate=20, burst=5)
        assert 0 < empty.ttl("budget:importer") <= 2

    def test_the_importer_keeps_to_the_rate_and_imports_every_row(self, db):
        rows = [Product(sku=str(n)) for n in range(8 * BATCH)]
        began = time.monotonic()
        import_products(rows)
        assert time.monotonic() - began >= (8 - 5) / 20 - 0.01
        assert Product.objects.count() == len(rows)

    def test_it_counts_starts_so_slow_operations_pile_up_and_only_the_role_stops_them(self):
        refused = []
        at_once = threading.Barrier(20)

        def slow_operation(_):
            assert seconds_to_wait("reporting", rate=20, burst=20) == 0  # the limiter has no objection
            with ExitStack() as stack:
                try:
                    stack.enter_context(session("reporting"))
                except psycopg.OperationalError as error:
                    refused.append(str(error))
                at_once.wait(10)

        with ThreadPoolExecutor(20) as operations:
            list(operations.map(slow_operation, range(20)))
        assert len(refused) == 20 - REPORTING_LIMIT
        assert all("too many connections for role" in text for text in refused)


class TestTheBudget:
    def budget(self):
        with session() as admin:
            cursor = admin.execute(Path("ops/budget.sql").read_text())
            return dict(zip([c.name for c in cursor.description], cursor.fetchone(), strict=True))

    def test_what_is_promised_fits_into_what_is_there(self):
        assert self.budget() == {"promised": 58, "unlimited": 0, "available": 97}

    def test_a_role_without_a_limit_is_counted(self, change):
        change("CREATE ROLE forgotten LOGIN")
        try:
            assert self.budget()["unlimited"] == 1
        finally:
            change("DROP ROLE forgotten")

    def test_the_shares_show_who_uses_what(self):
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(session("reporting"))
            with session() as admin:
                shares = admin.execute(Path("ops/shares.sql").read_text()).fetchall()
        assert ("reporting", 8, 3, 0) in shares
        assert ("storefront", 50, 0, 0) in shares

    def test_promising_more_than_there_is_lets_the_first_starve_the_last(self, change):
        change("ALTER ROLE reporting CONNECTION LIMIT 100")
        assert self.budget()["promised"] > self.budget()["available"]
        with ExitStack() as stack:
            take_all("reporting", stack)
            with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
                stack.enter_context(session("storefront"))
