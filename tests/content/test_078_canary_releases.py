"""Scenario 78: who is in the tenth, who stays in it, who is counted in it, and how fast it is switched off."""

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest
import time_machine
import yaml
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import RequestFactory
from prometheus_client import REGISTRY
from rest_framework.permissions import AllowAny
from rest_framework.test import APIClient
from rest_framework.views import APIView
from rollout.canary import KILL_WITHIN, bucket, percent_of, use_canary
from rollout.models import Rollout

FLAG = "new-checkout"
USERS = range(10_000)


def inside(flag, percent):
    return {pk for pk in USERS if bucket(flag, pk) < percent}


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


class TestTheSplit:
    def test_the_same_user_always_falls_on_the_same_side_in_every_process(self):
        program = "import sys; from rollout.canary import bucket; print([bucket(sys.argv[1], n) for n in range(99)])"
        setup = "import django; django.setup(); "
        command = [sys.executable, "-c", setup + program, FLAG]
        outputs = {
            subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
        }
        assert outputs == {f"{[bucket(FLAG, pk) for pk in range(99)]}\n"}

    def test_ten_percent_is_a_tenth(self):
        assert 900 < len(inside(FLAG, 10)) < 1100

    def test_raising_the_percentage_only_adds_users(self):
        steps = [inside(FLAG, percent) for percent in (0, 1, 10, 25, 50, 100)]
        assert all(before < after for before, after in itertools.pairwise(steps))
        assert not steps[0]
        assert steps[-1] == set(USERS)

    def test_another_flag_has_other_guinea_pigs(self):
        assert len(inside(FLAG, 10) & inside("new-search", 10)) < 200  # a tenth of a tenth


class TestNaiveSplits:
    def test_dice_flip_for_the_same_user(self):
        dice = random.Random(1)
        assert {dice.random() < 0.1 for _ in range(100)} == {True, False}

    def test_the_built_in_hash_differs_between_processes(self):
        command = [sys.executable, "-c", "print([hash(f'user{n}') % 10 for n in range(50)])"]
        outputs = {
            subprocess.run(command, capture_output=True, check=True, env={"PYTHONHASHSEED": seed}).stdout
            for seed in ("1", "2")
        }
        assert len(outputs) == 2

    def test_the_last_digit_picks_the_same_people_for_every_flag(self):
        def naive(flag):
            return {pk for pk in USERS if pk % 10 == 0}

        assert naive(FLAG) == naive("new-search")

    def test_hashing_no_id_puts_all_anonymous_visitors_on_one_side(self):
        assert len({bucket(FLAG, AnonymousUser().pk) for _ in range(20)}) == 1


def counted(variant, code):
    return REGISTRY.get_sample_value("rollout_request_seconds_count", {"variant": variant, "code": code})


@pytest.fixture
def client():
    client = APIClient(raise_request_exception=False)
    client.force_login(User.objects.create_user("ann"))
    return client


def rolled_out(percent):
    Rollout.objects.update_or_create(flag=FLAG, defaults={"percent": percent})
    cache.clear()


@pytest.mark.django_db
class TestTheRollout:
    def test_an_unknown_flag_is_off(self, client):
        assert client.post("/checkout/").json() == {"checkout": "old"}

    def test_users_below_the_percentage_get_the_new_path(self, client):
        mine = bucket(FLAG, User.objects.get().pk)
        rolled_out(mine)
        assert client.post("/checkout/").json() == {"checkout": "old"}
        rolled_out(mine + 1)
        assert client.post("/checkout/").json() == {"checkout": "new"}

    def test_zero_switches_it_off_within_the_promised_time(self, client):
        with time_machine.travel("2026-11-23T12:00Z", tick=False) as clock:
            rolled_out(100)
            assert client.post("/checkout/").json() == {"checkout": "new"}
            Rollout.objects.update(percent=0)
            clock.shift(KILL_WITHIN + 1)
            assert client.post("/checkout/").json() == {"checkout": "old"}

    def test_the_percentage_is_read_once_not_on_each_request(self, django_assert_num_queries):
        rolled_out(10)
        with django_assert_num_queries(1):
            assert [percent_of(FLAG) for _ in range(5)] == [10] * 5

    def test_off_is_cached_as_well(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            assert [percent_of("unheard-of") for _ in range(5)] == [0] * 5

    def test_anonymous_visitors_stay_on_stable(self):
        rolled_out(100)
        request = RequestFactory().get("/")
        request.user = AnonymousUser()
        assert use_canary(request, FLAG) is False
        assert request.variant == "stable"

    def test_more_than_all_is_refused(self):
        with pytest.raises(ValidationError):
            Rollout(flag=FLAG, percent=101).full_clean()


@pytest.mark.django_db
class TestTheMetrics:
    def test_each_side_is_counted_apart(self, client):
        before = counted("canary", "2xx"), counted("stable", "2xx")
        rolled_out(100)
        client.post("/checkout/")
        rolled_out(0)
        client.post("/checkout/")
        assert (counted("canary", "2xx"), counted("stable", "2xx")) == (before[0] + 1, before[1] + 1)

    def test_a_crash_in_the_new_path_is_the_canarys(self, client):
        before = counted("canary", "5xx"), counted("stable", "5xx")
        rolled_out(100)
        assert client.post("/checkout/", {"coupon": "broken"}).status_code == 500
        assert (counted("canary", "5xx"), counted("stable", "5xx")) == (before[0] + 1, before[1])

    def test_a_view_that_counts_for_itself_misses_its_own_crash(self, rf):
        seen = []

        class Counting(APIView):
            permission_classes = (AllowAny,)

            def get(self, request):
                raise RuntimeError("broken")

            def finalize_response(self, request, response, *args, **kwargs):
                seen.append(response.status_code)
                return super().finalize_response(request, response, *args, **kwargs)

        with pytest.raises(RuntimeError):
            Counting.as_view()(rf.get("/"))
        assert seen == []


def test_the_rule_asks_for_the_series_that_the_middleware_makes():
    (rule,) = yaml.safe_load(Path("rollout.rules.yml").read_text())["groups"][0]["rules"]
    assert rule["expr"].count("rollout_request_seconds_count{") == 5
    assert None not in {counted(variant, "5xx") for variant in ("canary", "stable")}
