"""Scenario 88: many users behind one address, and what each of the throttles counts."""

import os
from threading import Barrier, Thread

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.test import override_settings
from redis.exceptions import ConnectionError as RedisIsDown
from rest_framework.authtoken.models import Token
from rest_framework.settings import api_settings
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle
from rest_framework.views import APIView
from school.exact import ExactUserThrottle
from school.models import Profile, Tenant
from school.views import GradesView, ReportView

NEEDS = ("redis",)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def rates(monkeypatch):
    def change(**new):
        for scope, rate in new.items():
            monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, scope, rate)

    return change


@pytest.fixture
def view_throttles(monkeypatch):
    return lambda *classes: monkeypatch.setattr(GradesView, "throttle_classes", classes)


@pytest.fixture
def tenant():
    return Tenant.objects.create(name="School 12")


def member(name, tenant, plan="free"):
    user = get_user_model().objects.create_user(name)
    Profile.objects.create(user=user, tenant=tenant, plan=plan)
    return user


def statuses(user, times, method="get", path="/grades/", token=None, **extra):
    client = APIClient()
    client.force_authenticate(user, token)
    return [getattr(client, method)(path, **extra).status_code for _ in range(times)]


class TestWhatIsCounted:
    def test_the_defaults_of_the_answer_are_what_views_get(self):
        assert APIView.throttle_classes == [AnonRateThrottle, UserRateThrottle]

    def test_the_built_in_class_counts_each_user_behind_one_address(self, tenant, rates, view_throttles):
        view_throttles(UserRateThrottle)
        rates(user="2/hour")
        ann, bob = member("ann", tenant), member("bob", tenant)
        assert statuses(ann, 3) == [200, 200, 429]
        assert statuses(ann, 1, REMOTE_ADDR="203.0.113.9") == [429]
        assert statuses(bob, 2) == [200, 200]

    def test_anonymous_requests_share_their_address_and_the_lower_rate_holds(self, rates, view_throttles):
        view_throttles(AnonRateThrottle, UserRateThrottle)
        rates(anon="9/hour", user="2/hour")
        assert statuses(None, 3) == [200, 200, 429]
        assert statuses(None, 1, REMOTE_ADDR="203.0.113.9") == [200]

    def test_the_address_alone_locks_out_the_neighbours(self, tenant, rates, view_throttles):
        class ByAddress(AnonRateThrottle):
            def get_cache_key(self, request, view):
                return self.get_ident(request)

        view_throttles(ByAddress)
        rates(anon="2/hour")
        assert statuses(member("ann", tenant), 2) == [200, 200]
        assert statuses(member("bob", tenant), 1) == [429]

    def test_each_plan_has_its_rate_and_each_login_its_budget(self, tenant, rates):
        rates(plan_free="1/hour", plan_premium="2/hour")
        assert statuses(member("ann", tenant), 2) == [200, 429]
        assert statuses(member("bob", tenant, "premium"), 3) == [200, 200, 429]
        assert statuses(None, 2) == [200, 429]

    def test_the_users_of_a_tenant_share_its_budget(self, tenant, rates):
        rates(tenant="2/hour")
        assert statuses(member("ann", tenant), 1) + statuses(member("bob", tenant), 2) == [200, 200, 429]
        assert statuses(member("eve", Tenant.objects.create(name="Another")), 1) == [200]

    def test_a_scope_is_a_budget_of_its_own_per_user(self, tenant, rates):
        rates(reports="1/day")
        ann, bob = member("ann", tenant), member("bob", tenant)
        assert statuses(ann, 2, "post", "/reports/") == [202, 429]
        assert statuses(bob, 1, "post", "/reports/") == [202]
        assert statuses(ann, 1) == [200]

    def test_a_refusal_says_when_to_come_back(self, tenant, rates):
        rates(plan_free="1/hour")
        client = APIClient()
        client.force_authenticate(member("ann", tenant))
        client.get("/grades/")
        response = client.get("/grades/")
        assert response.status_code == 429
        assert 3500 < int(response.headers["Retry-After"]) <= 3600


def at_once(throttle, user, requests):
    request = APIRequestFactory().get("/")
    request.user = user
    start, allowed = Barrier(requests), []

    def call():
        instance = throttle()
        start.wait(timeout=10)
        allowed.append(instance.allow_request(request, None))

    threads = [Thread(target=call) for _ in range(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    return sorted(allowed)


class TestParallelRequests:
    def test_drfs_counter_lets_both_pass_when_both_have_read(self, tenant, rates):
        class ReadBeforeEitherWrites(RedisCache):
            both_have_read = Barrier(2)

            def get(self, *args, **kwargs):
                value = super().get(*args, **kwargs)
                self.both_have_read.wait(timeout=10)
                return value

        class Raced(UserRateThrottle):
            cache = ReadBeforeEitherWrites(os.environ["REDIS_URL"], {})

        rates(user="1/hour")
        assert at_once(Raced, member("ann", tenant), 2) == [True, True]

    def test_the_exact_throttle_lets_just_as_many_pass_as_it_should(self, tenant, monkeypatch):
        monkeypatch.setattr(ExactUserThrottle, "timer", staticmethod(lambda: 600.0))
        assert at_once(ExactUserThrottle, member("ann", tenant), 15) == [False] * 5 + [True] * 10

    def test_it_says_when_its_window_ends_and_then_allows_again(self, tenant, monkeypatch):
        monkeypatch.setattr(ReportView, "throttle_classes", [ExactUserThrottle])
        monkeypatch.setattr(ExactUserThrottle, "timer", staticmethod(lambda: 645.0))
        client = APIClient()
        client.force_authenticate(member("ann", tenant))
        answers = [client.post("/reports/") for _ in range(11)]
        assert [answer.status_code for answer in answers] == [202] * 10 + [429]
        assert answers[-1].headers["Retry-After"] == "15"
        # The cost that the answer names: ten more right after the turn of the minute.
        monkeypatch.setattr(ExactUserThrottle, "timer", staticmethod(lambda: 660.0))
        assert [client.post("/reports/").status_code for _ in range(11)] == [202] * 10 + [429]

    def test_local_memory_counts_in_each_process(self, tenant, rates, view_throttles, monkeypatch):
        view_throttles(UserRateThrottle)
        rates(user="1/hour")
        ann, seen = member("ann", tenant), []
        for process in ("worker 1", "worker 2"):
            monkeypatch.setattr(UserRateThrottle, "cache", LocMemCache(process, {}))
            seen += statuses(ann, 2)
        assert seen == [200, 429, 200, 429]


class TestProxies:
    def xff(self, *values):
        return [
            code
            for value in values
            for code in statuses(None, 1, HTTP_X_FORWARDED_FOR=value, REMOTE_ADDR="10.0.0.1")
        ]

    def test_the_last_address_of_the_header_is_the_one_that_our_proxy_added(self, rates, view_throttles):
        view_throttles(AnonRateThrottle)
        rates(anon="1/hour")
        assert self.xff("1.1.1.1, 198.51.100.7", "2.2.2.2, 198.51.100.7") == [200, 429]

    def test_without_num_proxies_a_random_header_is_a_fresh_budget(self, rates, view_throttles, monkeypatch):
        monkeypatch.setattr(api_settings, "NUM_PROXIES", None)
        view_throttles(AnonRateThrottle)
        rates(anon="1/hour")
        assert self.xff("1.1.1.1, 198.51.100.7", "2.2.2.2, 198.51.100.7") == [200, 200]

    def test_a_proxy_that_passes_no_header_puts_all_into_one_bucket(self, rates, view_throttles):
        view_throttles(AnonRateThrottle)
        rates(anon="1/hour")
        assert [statuses(None, 1, REMOTE_ADDR="10.0.0.1") for _ in range(2)] == [[200], [429]]


class TestMistakes:
    def test_a_new_token_is_a_new_budget(self, tenant, rates, view_throttles):
        class ByToken(UserRateThrottle):
            def get_cache_key(self, request, view):
                return f"by_token_{request.auth}"

        view_throttles(ByToken)
        rates(user="1/hour")
        ann = member("ann", tenant)
        assert statuses(ann, 2, token="first") == [200, 429]
        assert statuses(ann, 1, token="second") == [200]

    def test_the_primary_key_of_a_drf_token_is_the_secret(self, tenant):
        token = Token.objects.create(user=member("ann", tenant))
        assert token.pk == token.key

    def test_bad_credentials_are_never_counted(self, rates, view_throttles):
        view_throttles(AnonRateThrottle)
        rates(anon="1/hour")
        client = APIClient(headers={"authorization": "Token wrong"})
        assert [client.get("/grades/").status_code for _ in range(3)] == [401] * 3

    def test_without_redis_the_view_fails(self, tenant, view_throttles, monkeypatch):
        view_throttles(UserRateThrottle)
        monkeypatch.setattr(UserRateThrottle, "cache", RedisCache("redis://127.0.0.1:1", {}))
        with pytest.raises(RedisIsDown):
            statuses(member("ann", tenant), 1)

    def test_override_settings_does_not_reach_the_rates(self, tenant, view_throttles):
        view_throttles(UserRateThrottle)
        with override_settings(REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": {"user": "1/hour"}}):
            assert statuses(member("ann", tenant), 2) == [200, 200]
