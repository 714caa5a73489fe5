"""Scenario 37: flaky tests fail with one seed and pass with another; the repaired ones pass in any order."""

import json
import os
import random
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from shop.models import Coupon
from shop.services import redeem

NEEDS = ("postgresql", "redis")

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
PASSES, FAILS = "2", "1"  # seeds for Django's --shuffle

FLAKY = """
from datetime import UTC, datetime

from django.test import TestCase, tag

from shop.models import Coupon
from shop.services import redeem, unused

END = datetime(2026, 3, 31, tzinfo=UTC)


class WithCoupons(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.spring = Coupon.objects.create(code="SPRING", valid_until=END)
        cls.easter = Coupon.objects.create(code="EASTER", valid_until=END)

    def test_number_is_shown(self):
        self.assertIsInstance(unused(), int)

    @tag("postgresql")
    def test_row_order(self):
        redeem(self.spring)
        self.assertEqual(list(Coupon.objects.all()), [self.spring, self.easter])


class WithoutCoupons(TestCase):
    def test_nothing_to_count(self):
        self.assertEqual(unused(), 0)


class ById(TestCase):
    @tag("postgresql")
    def test_first(self):
        Coupon.objects.create(code="FIRST", valid_until=END)
        self.assertEqual(self.client.get("/coupons/1/").json()["code"], "FIRST")

    @tag("postgresql")
    def test_second(self):
        Coupon.objects.create(code="SECOND", valid_until=END)
        self.assertEqual(self.client.get("/coupons/1/").json()["code"], "SECOND")


class Quarantined(TestCase):
    @tag("quarantine")
    def test_races(self):
        self.fail("not fixed yet")
"""

FLUSHING = """
from django.contrib.auth.models import Group
from django.test import TransactionTestCase


class Flushing(TransactionTestCase):
    def check(self):
        self.assertTrue(Group.objects.filter(name="staff").exists())


class A(Flushing):
    def test_first(self):
        self.check()


class B(Flushing):
    def test_second(self):
        self.check()


class C(Flushing):
    serialized_rollback = True

    def test_third(self):
        self.check()
"""

RESTORED = """
from shop.tests.flushing import C


class D(C):
    pass
"""

# Several `manage.py test` in one process: on a busy machine most of their time is the start of Python.
CALLS = """
import json
import sys

from django.core.cache import cache
from django.core.management import execute_from_command_line

for arguments in json.loads(sys.argv[1]):
    print("== call", flush=True)
    try:
        execute_from_command_line(["manage.py", "test", "--noinput", "-v", "2", *arguments])
    except SystemExit:
        pass
    sys.stdout.flush()
    cache.clear()  # a process of its own would begin with an empty one
"""

FLAKY_SHUFFLED = ["shop.tests.flaky", "--keepdb", "--exclude-tag=postgresql", "--shuffle"]
FLAKY_ON_A_DATABASE = ["shop.tests.flaky", "--keepdb", "--tag=postgresql"]
REPAIRED = ["shop", "--keepdb"]


def manage_tests(*calls, **variables):
    """Of each call of `manage.py test`: its output, and the names of the tests that failed."""
    environment = os.environ | {"TEST_DATABASE": "test_inner"} | variables
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-c", CALLS, json.dumps(calls)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    for output in done.stdout.split("== call")[1:]:
        failed = set(re.findall(r"^(?:FAIL|ERROR): (\w+)", output, re.MULTILINE))
        assert re.search(r"^OK" if not failed else r"^FAILED", output, re.MULTILINE), output
        yield output, failed


def order(output):
    return [name for name in re.findall(r"^(test_\w+) ", output, re.MULTILINE) if name != "test_races"]


@pytest.fixture(scope="module")
def runs():
    Path("shop/tests/flaky.py").write_text(FLAKY)
    Path("shop/tests/flushing.py").write_text(FLUSHING)
    Path("shop/tests/restored.py").write_text(RESTORED)
    calls = {
        "lucky": [*FLAKY_SHUFFLED, PASSES, "--exclude-tag=quarantine"],
        "unlucky": [*FLAKY_SHUFFLED, FAILS, "--exclude-tag=quarantine"],
        "unlucky again": [*FLAKY_SHUFFLED, FAILS],
        "flaky on PostgreSQL": FLAKY_ON_A_DATABASE,
        "repaired, shuffled": [*REPAIRED, "--parallel", "2", "--shuffle"],
        "repaired, reversed": [*REPAIRED, "--reverse"],
        "flushing": ["shop.tests.flushing", "--keepdb"],
        "restored": ["shop.tests.restored"],  # makes the database anew
    }
    return dict(zip(calls, manage_tests(*calls.values()), strict=True))


class TestTheSeed:
    def test_decides_whether_state_left_over_is_met_and_repeats_the_order(self, runs):
        lucky, failed = runs["lucky"]
        assert failed == set()
        first, failed = runs["unlucky"]
        assert failed == {"test_nothing_to_count"}
        again, failed = runs["unlucky again"]
        assert failed == {"test_nothing_to_count", "test_races"}  # the quarantined one is not left out
        assert order(first) == order(again) != order(lucky)

    def test_is_not_what_hides_row_order_and_ids_on_sqlite(self, runs):
        _, failed = runs["flaky on PostgreSQL"]
        assert "test_row_order" in failed
        assert failed & {"test_first", "test_second"}
        sqlite = manage_tests(FLAKY_ON_A_DATABASE[::2], EXAMPLE_DATABASE_URL=None, TEST_DATABASE=None)
        assert [failed for _, failed in sqlite] == [set()]


class TestTheRepairedTests:
    @pytest.mark.parametrize("options", ["shuffled", "reversed"])
    def test_pass_in_any_order_and_in_parallel(self, runs, options):
        output, failed = runs[f"repaired, {options}"]
        assert failed == set()
        assert "Ran 5 tests" in output
        printed = re.search(r"Used shuffle seed: \d+ \(generated\)", output)
        assert bool(printed) is (options == "shuffled")

    def test_pass_under_pytest_with_two_workers(self):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "shop"]
        environment = os.environ | {"TEST_DATABASE": "test_xdist"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "5 passed" in done.stdout, done.stdout


class TestTransactionTestCase:
    def test_the_second_misses_what_a_data_migration_made_and_one_that_restores_it_gets_in_the_way(
        self, runs
    ):
        output, failed = runs["flushing"]
        assert failed == {"test_second", "setUpClass"}  # of the class that restores
        assert "IntegrityError" in output

    def test_all_is_well_when_each_of_them_restores_it(self, runs):
        output, failed = runs["restored"]
        assert failed == set()
        assert "Ran 2 tests" in output


@pytest.mark.django_db
class TestWhatTestCaseLeavesAlone:
    def test_the_group_of_the_migration_is_there_in_a_rolled_back_test(self):
        assert Group.objects.get().name == "staff"

    def test_a_content_type_asked_for_before_saves_a_query(self):
        def queries():
            with CaptureQueriesContext(
                connection,
            ) as captured:
                ContentType.objects.get_for_model(User)
            return len(captured)

        ContentType.objects.clear_cache()
        assert [queries(), queries()] == [1, 0]

    def test_on_commit_does_not_run_until_it_is_captured(self, django_capture_on_commit_callbacks):
        coupon = Coupon.objects.create(code="C", valid_until=NOON)
        redeem(coupon)
        assert mail.outbox == []
        with django_capture_on_commit_callbacks(execute=True):
            redeem(coupon)
        assert len(mail.outbox) == 1


class TestSharedRedis:
    def test_clear_empties_it_for_every_worker_whatever_the_prefix(self):
        url = os.environ["EXAMPLE_REDIS_URL"]
        mine, others = (RedisCache(url, {"KEY_PREFIX": prefix}) for prefix in ("gw0", "gw1"))
        others.set("key", "value")
        assert mine.get("key") is None
        mine.clear()
        assert others.get("key") is None

    def test_a_database_for_each_worker_keeps_them_apart(self):
        server = os.environ["EXAMPLE_REDIS_URL"].rpartition("/")[0]
        mine, others = (RedisCache(f"{server}/{number}", {}) for number in (1, 2))
        others.set("key", "value")
        mine.clear()
        assert others.get("key") == "value"

    def test_the_default_cache_lives_in_the_process(self):
        assert cache.__class__.__name__ == "ConnectionProxy"
        assert cache._connections.settings["default"]["BACKEND"].endswith("LocMemCache")


class TestClockAndRandomness:
    @pytest.mark.parametrize(("today", "passes"), [("2026-03-15", True), ("2026-03-01", False)])
    def test_a_test_that_reads_the_clock_fails_on_the_first_of_the_month(self, today, passes):
        def naive():
            yesterday = date.today() - timedelta(days=1)
            return yesterday.month == date.today().month

        with time_machine.travel(f"{today}T12:00Z"):
            assert naive() is passes

    def test_random_codes_collide_with_some_seeds(self):
        def distinct(seed):
            random.seed(seed)
            return len({random.randint(1, 100) for _ in range(10)}) == 10

        assert {distinct(seed) for seed in range(10)} == {True, False}

    def test_a_set_of_strings_has_another_order_in_another_process(self):
        code = "print(list({'paid', 'open', 'sent', 'lost', 'back'}))"
        orders = {
            subprocess.check_output([sys.executable, "-S", "-c", code], env={"PYTHONHASHSEED": str(seed)})
            for seed in range(3)
        }
        assert len(orders) > 1

    def test_three_reruns_hide_a_failure_of_one_in_five(self):
        assert 600 <= 1 / 0.2**4 <= 650
