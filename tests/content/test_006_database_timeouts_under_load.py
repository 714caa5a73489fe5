"""Scenario 6: a PostgreSQL under load is looked at, limited, measured and given the index it lacks."""

import importlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from config import settings as project_settings
from config import slow_queries
from django import conf
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test.utils import CaptureQueriesContext
from django.urls import path
from sales.models import Order, Shop

NEEDS = ("postgresql",)

ROWS = 20_000


@contextmanager
def connection_with(**changed):
    """A connection as Django makes it from our settings, with some of them changed."""
    wrapper = DatabaseWrapper(connection.settings_dict | changed, "changed")
    try:
        yield wrapper
    finally:
        wrapper.close()
        if wrapper.settings_dict["OPTIONS"].get("pool"):
            wrapper.close_pool()


@contextmanager
def session(**options):
    """A plain connection to the test database, as another program would have."""
    given = connection.settings_dict
    connected = psycopg.connect(
        dbname=given["NAME"], user=given["USER"], host=given["HOST"], port=given["PORT"], **options
    )
    with connected:
        yield connected


def setting(name, cursor):
    return cursor.execute(f"SHOW {name}").fetchone()[0]


def until(found, seconds=10):
    """The first true result of `found`; for what another connection is about to do."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.01)
    raise AssertionError("did not happen")


def activity():
    with session() as watcher:
        cursor = watcher.execute(Path("ops/activity.sql").read_text())
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture
def orders(db):
    """Many orders of 200 shops, one in ten open."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO sales_shop (name) SELECT 'shop ' || n FROM generate_series(1, 200) AS n")
        cursor.execute(
            "INSERT INTO sales_order (shop_id, status, created_at, total)"
            " SELECT s.id, CASE WHEN n %% 10 = 0 THEN 'open' ELSE 'paid' END,"
            " timestamptz '2026-01-01' + n * interval '1 minute', 9.5"
            " FROM generate_series(1, %s) AS n JOIN sales_shop AS s ON s.name = 'shop ' || 1 + n / 10 %% 200",
            [ROWS],
        )
        cursor.execute("ANALYZE sales_order")


@pytest.fixture
def busy_shop(transactional_db):
    """A shop whose row somebody else has locked; gives the pid of that session."""
    shop = Shop.objects.create(name="busy")
    with session() as other:
        other.execute("UPDATE sales_shop SET name = 'mine' WHERE id = %s", [shop.pk])
        yield shop, other.info.backend_pid
        with suppress(psycopg.errors.AdminShutdown):  # a test may have ended the session
            other.rollback()


class TestTheLimits:
    def test_every_connection_has_them(self, db):
        with connection.cursor() as cursor:
            assert setting("statement_timeout", cursor) == "5s"
            assert setting("lock_timeout", cursor) == "2s"
            assert setting("idle_in_transaction_session_timeout", cursor) == "30s"

    def test_postgresql_has_none_by_default(self, db):
        with session() as plain:
            assert setting("statement_timeout", plain) == "0"
            assert setting("lock_timeout", plain) == "0"

    def test_the_environment_overrides_them(self, db, monkeypatch):
        monkeypatch.setenv("DATABASE_LIMITS", "")
        options = importlib.reload(project_settings).DATABASES["default"]["OPTIONS"]
        with connection_with(OPTIONS=options) as unlimited, unlimited.cursor() as cursor:
            assert setting("statement_timeout", cursor) == "0"

    def test_a_slow_query_is_cancelled(self, db, monkeypatch):
        monkeypatch.setenv("DATABASE_LIMITS", "-c statement_timeout=100ms")
        options = importlib.reload(project_settings).DATABASES["default"]["OPTIONS"]
        with (
            connection_with(OPTIONS=options) as limited,
            limited.cursor() as cursor,
            pytest.raises(OperationalError, match="canceling statement due to statement timeout") as caught,
        ):
            cursor.execute("SELECT pg_sleep(20)")
        assert isinstance(caught.value.__cause__, psycopg.errors.QueryCanceled)

    def test_a_statement_that_waits_for_a_lock_is_cancelled_sooner(self, busy_shop):
        shop, _ = busy_shop
        with pytest.raises(OperationalError, match="canceling statement due to lock timeout"):
            Shop.objects.filter(pk=shop.pk).update(name="ours")

    def test_without_a_limit_a_query_runs_on_after_its_client_is_gone(self, db):
        with session() as plain:
            pid = plain.info.backend_pid
            plain.pgconn.send_query(b"SELECT pg_sleep(60)")
            plain.pgconn.flush()
            until(lambda: pid in {row["pid"] for row in activity()})
            plain.pgconn.finish()
        (still,) = [row for row in activity() if row["pid"] == pid]
        assert still["state"] == "active"
        with session(autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        until(lambda: pid not in {row["pid"] for row in activity()})


class TestLookingAtTheActivity:
    def test_it_names_the_session_that_blocks_and_ending_that_one_helps(self, busy_shop):
        shop, culprit = busy_shop

        def wait():
            try:
                return Shop.objects.filter(pk=shop.pk).update(name="ours")
            finally:
                connection.close()

        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(wait)
            blocked = until(lambda: [row for row in activity() if row["blocked_by"]])
            rows = {row["pid"]: row for row in activity()}
            with session(autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [culprit])
            assert waiting.result() == 1
        assert blocked[0]["blocked_by"] == [culprit]
        assert blocked[0]["wait_event_type"] == "Lock"
        assert rows[culprit]["state"] == "idle in transaction"
        assert rows[culprit]["in_transaction"] >= rows[culprit]["since"]


class TestRanking:
    def test_the_statement_ranking_fits_the_view_and_the_view_needs_preloading(self, db):
        query = Path("ops/top_queries.sql").read_text().rstrip().rstrip(";")
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION pg_stat_statements")
            cursor.execute("EXPLAIN " + query)
            with pytest.raises(OperationalError, match="shared_preload_libraries"):
                cursor.execute(query)

    def test_new_connections_log_slow_statements_and_their_plans(self, transactional_db):
        name = connection.settings_dict["NAME"]
        with session(autocommit=True) as admin:
            admin.execute(Path("ops/slow_log.sql").read_text().replace("DATABASE shop", f"DATABASE {name}"))
        try:
            with session() as fresh:
                assert setting("log_min_duration_statement", fresh) == "500ms"
                assert setting("auto_explain.log_min_duration", fresh) == "1s"
        finally:
            with session(autocommit=True) as admin:
                admin.execute(f"ALTER DATABASE {name} RESET ALL")


class TestTheSlowQueryLog:
    @pytest.fixture
    def everything_is_slow(self, monkeypatch, caplog):
        monkeypatch.setattr(slow_queries, "SLOW_SECONDS", 0)
        caplog.set_level(logging.WARNING, "config.slow_queries")
        return caplog

    def test_it_names_the_route_and_the_sql_without_the_values(
        self, client, orders, everything_is_slow, settings
    ):
        settings.DEBUG = False
        shop = Shop.objects.get(name="shop 200").pk
        client.get(f"/shops/{shop}/orders/")
        (record,) = everything_is_slow.records
        assert "shops/<int:shop>/orders/" in record.getMessage()
        assert 'FROM "sales_order"' in record.getMessage()
        assert str(shop) not in record.getMessage()

    def test_fast_queries_are_not_logged(self, client, orders, caplog):
        client.get("/shops/1/orders/")
        assert not caplog.records

    def test_a_cancelled_query_is_logged(self, client, db, everything_is_slow, settings):
        def view(request):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '50ms'")
                cursor.execute("SELECT pg_sleep(20)")

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("slow/", view)]})
        with pytest.raises(OperationalError, match="statement timeout"):
            client.get("/slow/")
        messages = [record.getMessage() for record in everything_is_slow.records]
        assert any("in slow/: SELECT pg_sleep" in message for message in messages)

    def test_djangos_own_logger_is_silent_without_debug(self, orders, caplog, settings):
        settings.DEBUG = False
        caplog.set_level(logging.DEBUG, "django.db.backends")
        Order.objects.count()
        assert not caplog.records
        with CaptureQueriesContext(connection):
            Order.objects.count()
        assert caplog.records

    def test_django_has_no_setting_log_queries(self):
        assert not [name for name in dir(conf.global_settings) if "QUERIES" in name.upper()]


class TestTheIndex:
    def plan(self):
        shop = Shop.objects.get(name="shop 7")
        return Order.objects.open_in(shop).explain(analyze=True, buffers=True)

    def test_the_open_orders_of_a_shop_come_from_it(self, orders):
        plan = self.plan()
        assert "order_by_shop" in plan
        assert "Seq Scan" not in plan
        assert "Buffers:" in plan

    def test_without_it_the_plan_is_a_scan_that_removes_almost_every_row(self, orders):
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX order_by_shop")
        plan = self.plan()
        assert "Seq Scan on sales_order" in plan
        removed = int(plan.split("Rows Removed by Filter: ")[1].split()[0])
        assert removed > 0.98 * ROWS

    def test_the_migration_matches_the_model_and_builds_concurrently(self, transactional_db, capsys):
        call_command("makemigrations", "--check", "--dry-run", "sales")
        capsys.readouterr()
        call_command("sqlmigrate", "sales", "0002")
        assert 'CREATE INDEX CONCURRENTLY "order_by_shop"' in capsys.readouterr().out

    def test_a_plain_create_index_blocks_every_write(self, transactional_db):
        shop = Shop.objects.create(name="one")
        with session() as other, session(options="-c lock_timeout=100ms") as writer:
            other.execute("CREATE INDEX naive ON sales_order (total)")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                writer.execute(
                    "INSERT INTO sales_order (shop_id, status, created_at, total)"
                    " VALUES (%s, 'open', now(), 1)",
                    [shop.pk],
                )
            other.rollback()

    @pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
    def test_a_cancelled_concurrent_build_leaves_an_invalid_index(self, transactional_db, limit):
        with session() as reader, session(autocommit=True, options=f"-c {limit}=200ms") as builder:
            reader.execute("SELECT count(*) FROM sales_order")
            reader.execute("LOCK TABLE sales_order IN ROW EXCLUSIVE MODE")
            with pytest.raises(psycopg.OperationalError, match="timeout"):
                builder.execute("CREATE INDEX CONCURRENTLY half ON sales_order (total)")
            reader.rollback()
            valid = builder.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'half'::regclass"
            ).fetchone()
            builder.execute("DROP INDEX half")
        assert valid == (False,)

    def test_explain_analyze_executes_the_query(self, orders):
        before = Order.objects.count()
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN ANALYZE DELETE FROM sales_order WHERE status = 'open'")
        assert Order.objects.count() < before


class TestThePool:
    def backends(self, pool):
        """How many connections twenty threads of one process take that all query at once."""
        options = connection.settings_dict["OPTIONS"] | {"pool": pool}

        def query(wrapper):
            with wrapper.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid(), pg_sleep(0.05)")
                pid = cursor.fetchone()[0]
            if pool:
                wrapper.close()  # as at the end of a request
            return pid

        wrappers = [
            DatabaseWrapper(connection.settings_dict | {"OPTIONS": options}, "threads") for _ in range(20)
        ]
        for wrapper in wrappers:
            wrapper.inc_thread_sharing()
        with ThreadPoolExecutor(max_workers=20) as threads:
            pids = set(threads.map(query, wrappers))
        for wrapper in wrappers:
            wrapper.close()
        if pool:
            wrappers[0].close_pool()
        return len(pids)

    def test_twenty_threads_share_the_connections_of_the_pool(self, db):
        pool = connection.settings_dict["OPTIONS"]["pool"]
        assert pool["max_size"] == 8
        assert self.backends(pool) <= 8
        assert self.backends(None) == 20

    def test_whoever_waits_longer_than_the_pools_timeout_gets_an_error(self, db):
        options = connection.settings_dict["OPTIONS"] | {
            "pool": {"min_size": 1, "max_size": 1, "timeout": 0.1}
        }
        with connection_with(OPTIONS=options) as first, first.cursor() as cursor:
            cursor.execute("SELECT 1")
            second = DatabaseWrapper(first.settings_dict, "changed")
            with pytest.raises(OperationalError, match=r"couldn't get a connection after 0\.10 sec"):
                second.ensure_connection()

    def test_django_refuses_a_pool_with_persistent_connections(self, db):
        with (
            pytest.raises(ImproperlyConfigured, match="doesn't support persistent connections"),
            connection_with(CONN_MAX_AGE=60) as both,
        ):
            both.ensure_connection()
