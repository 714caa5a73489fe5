"""Scenario 10: twenty requests miss the cache at once; PostgreSQL is asked how many queries it runs."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, transaction
from django.test import Client
from redis.exceptions import LockNotOwnedError
from reports import jobs, single_flight, views
from reports.models import Sale
from reports.queries import revenue_by_region
from reports.single_flight import StillComputing, locks
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

NEEDS = ("postgresql", "redis")

CALLERS = 20
KEY = "revenue:v1:2026"
GATE = 42  # the advisory lock that makes the query as slow as the test needs it


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def sales(transactional_db):
    Sale.objects.bulk_create(
        [
            Sale(region="north", year=2026, amount=10),
            Sale(region="north", year=2026, amount=5),
            Sale(region="south", year=2026, amount=7),
            Sale(region="south", year=2025, amount=100),
        ]
    )


def slow_revenue(year):
    """The query, held back in the database for as long as the gate is closed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s)", [GATE])
        cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [GATE])
    return revenue_by_region(year)


@contextmanager
def closed_gate():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield
        cursor.execute("SELECT pg_advisory_unlock(%s)", [GATE])


def running():
    """How many copies the statement of the answer finds, or 1 or 0 if it finds none."""
    with connection.cursor() as cursor:
        cursor.execute(Path("duplicates.sql").read_text())
        copies = [number for number, statement in cursor.fetchall() if "pg_advisory_lock_shared" in statement]
        if copies:
            return copies[0]
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND query LIKE 'SELECT pg_advisory_lock_shared%%'"
        )
        return cursor.fetchone()[0]


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def get(url="/revenue/2026/"):
    try:
        return Client().get(url)
    finally:
        connection.close()


@pytest.fixture
def polling(monkeypatch):
    """The threads that have begun to wait for another's result."""
    threads = set()
    sleep = time.sleep

    class Clock:
        monotonic = staticmethod(time.monotonic)
        time = staticmethod(time.time)

        @staticmethod
        def sleep(seconds):
            threads.add(threading.get_ident())
            sleep(seconds)

    monkeypatch.setattr(single_flight, "time", Clock)
    return threads


class TestTwentyRequestsAtOnce:
    def test_a_cache_without_a_lock_runs_the_query_for_each_of_them(self, sales):
        class Naive(APIView):
            def get(self, request, year):
                return Response(cache.get_or_set("naive", partial(slow_revenue, year), 60))

        naive = Naive.as_view()

        def ask(_):
            try:
                return naive(APIRequestFactory().get("/"), year=2026).data
            finally:
                connection.close()

        with ThreadPoolExecutor(CALLERS) as pool:
            with closed_gate():
                answers = [pool.submit(ask, number) for number in range(CALLERS)]
                until(lambda: running() == CALLERS)
            assert [answer.result() for answer in answers] == [{"north": 15, "south": 7}] * CALLERS

    def test_single_flight_runs_it_once_and_all_get_the_result(self, sales, monkeypatch, polling):
        monkeypatch.setattr(views, "revenue_by_region", slow_revenue)
        with ThreadPoolExecutor(CALLERS) as pool:
            with closed_gate():
                answers = [pool.submit(get) for _ in range(CALLERS)]
                until(lambda: len(polling) == CALLERS - 1)
                assert running() == 1
            bodies = [answer.result().json() for answer in answers]
        assert bodies == [{"north": 15, "south": 7}] * CALLERS

    def test_when_the_value_is_stale_one_renews_it_and_nobody_waits(self, sales, monkeypatch, polling):
        entry = {"value": {"north": 1}, "fresh_until": time.time() - 1}
        cache.set(KEY, entry, 60)
        monkeypatch.setattr(views, "revenue_by_region", slow_revenue)
        with ThreadPoolExecutor(CALLERS) as pool:
            with closed_gate():
                answers = [pool.submit(get) for _ in range(CALLERS)]
                until(lambda: sum(answer.done() for answer in answers) == CALLERS - 1)
                assert running() == 1
                assert [a.result().json() for a in answers if a.done()] == [{"north": 1}] * (CALLERS - 1)
            assert sorted(answer.result().json()["north"] for answer in answers) == [1] * 19 + [15]
        assert not polling
        assert get().json() == {"north": 15, "south": 7}


class TestOneCaller:
    def fly(self, compute, **options):
        return single_flight.single_flight("key", compute, **{"fresh": 60, "patience": 0.2, **options})

    def never(self):
        raise AssertionError("computed")

    def test_a_fresh_value_is_neither_computed_nor_locked_for(self):
        assert self.fly(lambda: 1) == 1
        with locks.lock("lock:key", timeout=10):
            assert self.fly(self.never) == 1

    @pytest.mark.parametrize("empty", [None, [], {}, 0])
    def test_an_empty_result_is_a_result(self, empty):
        self.fly(lambda: empty)
        assert self.fly(self.never) == empty

    def test_the_naive_or_takes_an_empty_result_for_a_miss(self):
        runs = []

        def compute():
            runs.append(1)
            cache.set("empty", [], 60)
            return []

        for _ in range(3):
            assert (cache.get("empty") or compute()) == []
        assert len(runs) == 3

    def test_it_is_renewed_once_it_is_no_longer_fresh(self):
        self.fly(lambda: 1, fresh=60)
        entry = cache.get("key")
        cache.set("key", {**entry, "fresh_until": time.time() - 1}, 60)
        assert self.fly(lambda: 2) == 2

    def test_a_value_is_kept_beyond_its_freshness(self):
        self.fly(lambda: 1, fresh=60, stale=3600)
        assert 3600 < locks.ttl(cache.make_key("key")) <= 3660

    def test_freshness_varies_so_that_keys_do_not_expire_together(self):
        ends = set()
        for number in range(10):
            single_flight.single_flight(f"k{number}", lambda: 1, fresh=1000)
            ends.add(round(cache.get(f"k{number}")["fresh_until"] - time.time()))
        assert len(ends) > 3
        assert min(ends) >= 799
        assert max(ends) <= 1000

    def test_an_error_frees_the_lock_and_is_not_stored(self):
        with pytest.raises(ZeroDivisionError):
            self.fly(lambda: 1 / 0)
        assert self.fly(lambda: 2) == 2

    def test_without_a_value_it_gives_up_after_a_while(self):
        with locks.lock("lock:key", timeout=10), pytest.raises(StillComputing):
            self.fly(self.never)

    def test_giving_up_is_503_with_retry_after(self, monkeypatch):
        class Impatient(APIView):
            def get(self, request):
                return Response(single_flight.single_flight("key", None, fresh=60, patience=0))

        with locks.lock("lock:key", timeout=10):
            response = Impatient.as_view()(APIRequestFactory().get("/"))
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"

    def test_who_gets_the_lock_late_finds_the_result_instead_of_computing(self, monkeypatch):
        """Between the look into the cache and the lock, another caller has finished."""
        real = locks.lock

        def late(*args, **kwargs):
            cache.set("key", {"value": "theirs", "fresh_until": time.time() + 60}, 60)
            return real(*args, **kwargs)

        monkeypatch.setattr(single_flight.locks, "lock", late)
        assert self.fly(self.never) == "theirs"

    def test_a_lock_of_a_dead_owner_ends_by_itself(self):
        locks.lock("lock:key", timeout=0.1).acquire()
        assert self.fly(lambda: 1, patience=5) == 1

    def test_a_run_longer_than_the_limit_returns_its_value_and_leaves_the_next_owner_alone(self):
        successor = locks.lock("lock:key", timeout=10)

        def slow():
            until(lambda: successor.acquire(blocking=False))
            return 1

        assert self.fly(slow, limit=0.1) == 1
        assert successor.owned()
        successor.release()


class TestTheJob:
    def test_all_callers_get_the_id_of_one_job(self, sales, monkeypatch):
        started = []
        monkeypatch.setattr(
            jobs.build_revenue, "apply_async", lambda args, task_id: started.append((args, task_id))
        )
        with ThreadPoolExecutor(CALLERS) as pool:
            ids = set(pool.map(jobs.start_or_join, [2026] * CALLERS))
        assert len(started) == len(ids) == 1
        assert started[0] == ([2026], ids.pop())

    def test_the_job_stores_the_result_and_makes_room_for_the_next(self, sales):
        first = jobs.start_or_join(2026)
        assert cache.get("revenue-report:2026") == {"north": 15, "south": 7}
        assert jobs.start_or_join(2026) != first

    def test_a_job_that_fails_makes_room_too(self, monkeypatch):
        def broken(year):
            raise RuntimeError

        monkeypatch.setattr(jobs, "revenue_by_region", broken)
        cache.add("revenue-job:2026", "x", 60)
        with pytest.raises(RuntimeError):
            jobs.build_revenue(2026)
        assert cache.get("revenue-job:2026") is None


class TestMistakes:
    def test_a_lock_without_a_timeout_outlives_its_owner(self):
        code = f"import redis; redis.Redis.from_url({settings.REDIS_URL!r}).lock('lock:forever').acquire()"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert locks.ttl("lock:forever") == -1
        assert not locks.lock("lock:forever").acquire(blocking=False)
        locks.delete("lock:forever")

    def test_deleting_an_expired_lock_of_ones_own_frees_the_successors(self):
        assert cache.add("naive-lock", "first", 1)
        until(lambda: cache.add("naive-lock", "second", 60))
        cache.delete("naive-lock")  # the first is done, late
        assert cache.add("naive-lock", "third", 60)

    def test_redis_py_releases_only_its_own(self):
        first, second = locks.lock("lock:own", timeout=0.05), locks.lock("lock:own", timeout=10)
        first.acquire()
        until(lambda: second.acquire(blocking=False))
        with pytest.raises(LockNotOwnedError):
            first.release()
        assert second.owned()
        second.release()

    def test_local_memory_locks_one_process_only(self):
        assert LocMemCache("", {}).add("lock", "here", 60)
        assert not LocMemCache("", {}).add("lock", "here again", 60)
        code = (
            "import django; django.setup()\n"
            "from django.core.cache.backends.locmem import LocMemCache\n"
            "print(LocMemCache('', {}).add('lock', 'there', 60))"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "True"


class TestWithoutRedis:
    def test_a_transactions_advisory_lock_is_given_to_one_and_freed_at_its_end(self, sales):
        """As `pg_try_advisory_xact_lock(hashtext(key))` in two connections."""

        def attempt():
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [KEY])
                    return cursor.fetchone()[0]
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as other:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [KEY])
                assert cursor.fetchone()[0] is True
                assert other.submit(attempt).result() is False
            assert other.submit(attempt).result() is True
