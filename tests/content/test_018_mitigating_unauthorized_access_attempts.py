"""Scenario 18: passwords are guessed from one address, from many, with forged headers; who gets in?"""

import pytest
from accounts.login import LoginPerAccount, LoginPerAddress, LoginSerializer, LoginView
from axes.models import AccessAttempt
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.urls import path
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from rest_framework_simplejwt.views import TokenObtainPairView

NEEDS = ("redis",)
PASSWORD = "change-me"
PROXIED = "203.0.113.9"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_counter_is_left():
    cache.clear()


@pytest.fixture(autouse=True)
def alice():
    return get_user_model().objects.create_user("alice", password=PASSWORD)


def login(password, *, name="alice", address=PROXIED, forged="", url="/token/"):
    """Log in as through one proxy, which adds the address it sees to what the client sent."""
    forwarded = f"{forged}, {address}" if forged else address
    return APIClient().post(
        url, {"username": name, "password": password}, format="json", headers={"x-forwarded-for": forwarded}
    )


def serve(settings, view):
    """The project with another view at the login's address."""
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("token/", view.as_view())]})


class TestFromOneAddress:
    def test_the_fifth_wrong_password_locks_and_then_the_right_one_does_not_help(self):
        assert [login("wrong").status_code for _ in range(5)] == [401, 401, 401, 401, 429]
        locked = login(PASSWORD)
        assert (locked.status_code, locked["Retry-After"]) == (429, "900")

    def test_alice_gets_in_from_another_address_and_others_from_this_one(self):
        get_user_model().objects.create_user("bob", password=PASSWORD)
        for _ in range(5):
            login("wrong")
        assert login(PASSWORD, address="203.0.113.10").status_code == 200
        assert login(PASSWORD, name="bob").status_code == 200

    def test_the_lock_ends_fifteen_minutes_after_the_last_attempt(self):
        for _ in range(5):
            login("wrong")
        AccessAttempt.objects.update(attempt_time=timezone.now() - project.AXES_COOLOFF_TIME)
        assert login(PASSWORD).status_code == 200

    def test_an_attempt_during_the_lock_restarts_it(self):
        for _ in range(5):
            login("wrong")
        earlier = timezone.now() - project.AXES_COOLOFF_TIME / 2
        AccessAttempt.objects.update(attempt_time=earlier)
        assert login(PASSWORD).status_code == 429
        assert AccessAttempt.objects.get().attempt_time > earlier

    def test_support_can_lift_it(self, capsys):
        for _ in range(5):
            login("wrong")
        call_command("axes_list_attempts")
        assert "alice" in capsys.readouterr().out
        call_command("axes_reset_username", "alice")
        assert login(PASSWORD).status_code == 200

    def test_a_name_that_does_not_exist_is_answered_alike(self):
        known = [(r.status_code, r.json()) for r in (login("wrong") for _ in range(6))]
        unknown = [(r.status_code, r.json()) for r in (login("wrong", name="nobody") for _ in range(6))]
        assert known == unknown

    def test_the_form_of_the_admin_is_locked_as_well(self, client):
        def enter(password):
            body = {"username": "alice", "password": password}
            return client.post("/admin/login/", body, headers={"x-forwarded-for": PROXIED})

        assert [enter("wrong").status_code for _ in range(5)] == [200, 200, 200, 200, 429]
        assert enter(PASSWORD).status_code == 429

    @pytest.mark.parametrize("body", [[1, 2], {}, {"username": ["x"], "password": "wrong"}])
    def test_a_body_that_makes_no_sense_is_a_400(self, body):
        assert APIClient().post("/token/", body, format="json").status_code == 400


class TestForgedAddresses:
    def test_a_new_x_forwarded_for_on_every_request_does_not_help(self):
        codes = [login("wrong", forged=f"198.51.100.{n}").status_code for n in range(6)]
        assert codes == [401, 401, 401, 401, 429, 429]

    def test_nor_does_it_help_against_the_limit_per_address(self):
        codes = [login("wrong", name=f"user{n}", forged=f"198.51.100.{n}").status_code for n in range(31)]
        assert codes == [401] * 30 + [429]

    @pytest.mark.parametrize("naive", [AnonRateThrottle, UserRateThrottle])
    def test_without_num_proxies_it_walks_past_the_throttle(self, settings, naive):
        throttle = type("Naive", (naive,), {"rate": "3/min"})
        serve(settings, type("V", (TokenObtainPairView,), {"throttle_classes": [throttle]}))
        settings.AXES_ENABLED = False
        settings.REST_FRAMEWORK = {"NUM_PROXIES": None}
        codes = [login("wrong", forged=f"198.51.100.{n}").status_code for n in range(8)]
        assert codes == [401] * 8
        assert [login("wrong").status_code for _ in range(4)] == [401, 401, 401, 429]

    def test_a_number_too_high_trusts_what_the_client_wrote(self, settings):
        settings.REST_FRAMEWORK = {**project.REST_FRAMEWORK, "NUM_PROXIES": 2}
        assert [login("wrong", forged=f"198.51.100.{n}").status_code for n in range(8)] == [401] * 8

    def test_without_the_callable_axes_takes_the_proxy_for_the_client(self, settings):
        settings.AXES_CLIENT_IP_CALLABLE = None
        for n in range(5):
            login("wrong", address=f"198.51.100.{n}")
        assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"127.0.0.1"}
        assert login(PASSWORD, address="203.0.113.10").status_code == 429


class TestFromManyAddresses:
    def test_the_account_answers_429_after_twenty_attempts_and_also_to_alice(self):
        codes = [login("wrong", address=f"198.51.100.{n}").status_code for n in range(21)]
        assert codes == [401] * 20 + [429]
        refused = login(PASSWORD, address="203.0.113.10")
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) <= 3600

    def test_spelling_the_name_differently_is_no_new_account(self):
        for n in range(20):
            login("wrong", address=f"198.51.100.{n}", name="ALICE" if n % 2 else "alice")
        assert login("wrong", name="Alice", address="203.0.113.10").status_code == 429

    def test_spraying_one_guess_per_account_trips_no_counter(self):
        codes = {login("wrong", name=f"user{n}", address=f"198.51.100.{n}").status_code for n in range(40)}
        assert codes == {401}

    def test_the_counters_of_the_throttles_lie_in_the_shared_cache(self):
        login("wrong")
        assert len(list(cache._cache.get_client().scan_iter("*throttle_login_*"))) == 2


class TestAfterASuccess:
    def test_old_typos_are_forgotten(self):
        for _ in range(4):
            login("typo")
        assert login(PASSWORD).status_code == 200
        assert [login("typo").status_code for _ in range(4)] == [401] * 4

    def test_without_the_reset_axes_never_forgets_them_with_simplejwt(self, settings):
        settings.AXES_RESET_ON_SUCCESS = True
        serve(settings, TokenObtainPairView)
        for _ in range(4):
            login("typo")
        assert login(PASSWORD).status_code == 200
        login("typo")
        assert login(PASSWORD).status_code == 401


class TestMistakes:
    def test_axes_alone_answers_a_misleading_401(self, settings):
        serve(settings, TokenObtainPairView)
        for _ in range(5):
            login("wrong")
        locked = login(PASSWORD)
        assert locked.status_code == 401
        assert locked.json() == {"detail": "No active account found with the given credentials"}

    def test_axes_hides_name_and_address_in_its_log(self, caplog):
        login("wrong")
        (line,) = [
            record.getMessage() for record in caplog.records if record.name.startswith("axes.handlers")
        ]
        assert "login failure" in line
        assert PROXIED not in line
        assert "alice" not in line

    @pytest.mark.django_db(transaction=True)
    def test_with_atomic_requests_a_view_that_is_not_exempt_never_locks(self, settings, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        assert [login("wrong").status_code for _ in range(5)][-1] == 429
        cache.clear()
        AccessAttempt.objects.all().delete()
        naive = {"serializer_class": LoginSerializer, "throttle_classes": [LoginPerAddress, LoginPerAccount]}
        serve(settings, type("Naive", (TokenObtainPairView,), naive))
        assert [login("wrong").status_code for _ in range(10)] == [401] * 10
        assert not AccessAttempt.objects.exists()

    def test_the_view_of_the_answer_is_exempt_from_atomic_requests(self):
        assert LoginView.as_view()._non_atomic_requests == {"default"}
