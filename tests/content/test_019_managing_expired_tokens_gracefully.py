"""Scenario 19: logins that last: renewed, shared between threads, stolen, capped and ended."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
import responses
from accounts.models import MAX_AGE, SignIn
from accounts.tokens import RenewSerializer, SignInView
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import path
from django.utils import timezone
from mobile.session import Session, SignedOut
from rest_framework.test import APIClient
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSlidingSerializer
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken
from rest_framework_simplejwt.views import TokenRefreshView

NEEDS = ("postgresql",)
PASSWORD = "change-me"
THREADS = 5

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def tokens(user):
    return sign_in()


def sign_in():
    return APIClient().post("/token/", {"username": "ann", "password": PASSWORD}).json()


def renew(token):
    return APIClient().post("/token/refresh/", {"refresh": str(token)})


def get(token):
    return APIClient().get("/orders/", headers={"authorization": f"Bearer {token}"})


def expired(token):
    token.set_exp(lifetime=-timedelta(seconds=1))
    return str(token)


def serve(settings, renewal):
    """The project with another view for the renewal."""
    urls = [path("token/", SignInView.as_view()), path("token/refresh/", renewal.as_view())]
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": urls})


class TestTheThreeLifetimes:
    def test_an_access_token_works_ten_minutes_and_a_refresh_token_waits_fourteen_days(self, tokens):
        access, refresh = AccessToken(tokens["access"]), RefreshToken(tokens["refresh"])
        assert access["exp"] - access["iat"] == 10 * 60
        assert refresh["exp"] - refresh["iat"] == 14 * 24 * 60 * 60

    def test_a_renewal_starts_the_fourteen_days_anew(self, tokens):
        nearly_over = RefreshToken(tokens["refresh"])
        nearly_over.set_exp(lifetime=timedelta(minutes=1))
        renewed = RefreshToken(renew(nearly_over).json()["refresh"])
        assert renewed["exp"] > nearly_over["exp"] + timedelta(days=13).total_seconds()

    def test_a_refresh_token_that_nobody_used_for_longer_is_refused(self, tokens):
        assert renew(expired(RefreshToken(tokens["refresh"]))).status_code == 401

    def test_after_ninety_days_the_password_is_asked_whatever_the_token_says(self, tokens):
        SignIn.objects.update(started_at=timezone.now() - MAX_AGE)
        response = renew(tokens["refresh"])
        assert (response.status_code, response.json()["detail"]) == (401, "Sign in again.")

    def test_simplejwt_alone_would_renew_forever(self, tokens, settings):
        SignIn.objects.update(started_at=timezone.now() - MAX_AGE)
        serve(settings, TokenRefreshView)
        assert renew(tokens["refresh"]).status_code == 200


class TestRotation:
    def test_the_new_pair_works_and_belongs_to_the_same_sign_in(self, tokens):
        first = renew(tokens["refresh"]).json()
        second = renew(first["refresh"]).json()
        assert get(second["access"]).status_code == 200
        assert AccessToken(second["access"])["sid"] == str(SignIn.objects.get().pk)

    def test_a_second_use_of_a_refresh_token_ends_the_family(self, tokens):
        first = renew(tokens["refresh"]).json()
        second = renew(first["refresh"]).json()
        reuse = renew(tokens["refresh"])
        assert reuse.status_code == 401
        assert "used before" in reuse.json()["detail"]
        assert renew(second["refresh"]).status_code == 401

    def test_the_access_token_of_an_ended_sign_in_works_until_it_expires(self, tokens):
        thief = renew(tokens["refresh"]).json()
        renew(tokens["refresh"])
        assert SignIn.objects.get().ended_at is not None
        assert get(thief["access"]).status_code == 200
        assert get(expired(AccessToken(thief["access"]))).status_code == 401

    def test_the_other_phone_stays_signed_in(self, tokens):
        other = sign_in()
        renew(tokens["refresh"])
        renew(tokens["refresh"])
        assert renew(other["refresh"]).status_code == 200

    def test_simplejwt_alone_lets_the_thief_go_on(self, tokens, settings):
        serve(settings, TokenRefreshView)
        thief = renew(tokens["refresh"]).json()
        assert renew(tokens["refresh"]).status_code == 401
        assert renew(thief["refresh"]).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_of_several_uses_at_the_same_moment_one_wins_and_the_sign_in_ends(self, tokens):
        start = threading.Barrier(THREADS)

        def use(_):
            start.wait()
            try:
                return renew(tokens["refresh"]).status_code
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            codes = sorted(pool.map(use, range(THREADS)))
        assert codes == [200] + [401] * (THREADS - 1)
        assert SignIn.objects.get().ended_at is not None

    @pytest.mark.django_db(transaction=True)
    def test_with_atomic_requests_a_view_that_is_not_exempt_forgets_the_theft(
        self, tokens, settings, monkeypatch
    ):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        serve(settings, type("Naive", (TokenRefreshView,), {"serializer_class": RenewSerializer}))
        thief = renew(tokens["refresh"]).json()
        assert renew(tokens["refresh"]).status_code == 401
        assert renew(thief["refresh"]).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_with_atomic_requests_the_view_of_the_answer_remembers_it(self, tokens, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        thief = renew(tokens["refresh"]).json()
        assert renew(tokens["refresh"]).status_code == 401
        assert renew(thief["refresh"]).status_code == 401


class TestTheEnd:
    def test_a_new_password_ends_access_and_renewal_on_every_device(self, user, tokens):
        other = sign_in()
        user.set_password("changed")
        user.save()
        for device in (tokens, other):
            assert get(device["access"]).status_code == 401
            assert renew(device["refresh"]).json()["code"] == "password_changed"

    def test_a_deactivated_and_a_deleted_user_get_401(self, user, tokens):
        get_user_model().objects.update(is_active=False)
        assert renew(tokens["refresh"]).json()["code"] == "user_inactive"
        user.delete()
        assert renew(tokens["refresh"]).json()["code"] == "user_not_found"

    def test_ending_the_rows_signs_a_user_out_everywhere(self, user, tokens):
        other = sign_in()
        SignIn.objects.filter(user=user, ended_at=None).update(ended_at=timezone.now())
        assert [renew(device["refresh"]).status_code for device in (tokens, other)] == [401, 401]

    def test_logging_out_on_one_device_ends_that_one(self, tokens):
        other = sign_in()
        APIClient().post("/token/blacklist/", {"refresh": tokens["refresh"]})
        assert renew(tokens["refresh"]).status_code == 401
        assert renew(other["refresh"]).status_code == 200

    def test_tokens_from_before_the_deploy_are_refused(self, user):
        assert renew(RefreshToken.for_user(user)).status_code == 401

    def test_an_access_token_renews_nothing(self, tokens):
        assert renew(tokens["access"]).status_code == 401

    def test_a_long_access_token_survives_the_end_of_its_sign_in(self, tokens):
        SignIn.objects.update(ended_at=timezone.now())
        month = AccessToken(tokens["access"])
        month.set_exp(lifetime=timedelta(days=30))
        assert get(month).status_code == 200

    def test_a_sliding_token_cannot_be_renewed_after_the_break(self, user):
        serializer = TokenRefreshSlidingSerializer(data={"token": expired(SlidingToken.for_user(user))})
        with pytest.raises(TokenError, match="expired"):
            serializer.is_valid()


class Naive(Session):
    """Without the lock: whoever gets a 401 renews. `barrier` makes them get it at the same moment."""

    barrier = threading.Barrier(THREADS)

    def renewed(self, stale):
        self.barrier.wait()
        answer = requests.post(
            f"{self.base_url}/token/refresh/", json={"refresh": stale["refresh"]}, timeout=10
        )
        if answer.status_code == 401:
            raise SignedOut
        return answer.json()


@pytest.mark.django_db(transaction=True)
class TestTheClient:
    @pytest.fixture
    def stale(self, tokens):
        return {**tokens, "access": expired(AccessToken(tokens["access"]))}

    @pytest.fixture
    def saved(self):
        return []

    @pytest.fixture
    def session(self, live_server, stale, saved):
        return Session(live_server.url, stale, saved.append)

    def test_an_expired_access_token_is_renewed_and_nobody_notices(self, session, saved, stale):
        assert session.request("GET", "/orders/").status_code == 200
        assert saved == [session.tokens]
        assert session.tokens["refresh"] != stale["refresh"]
        assert session.request("GET", "/orders/").status_code == 200
        assert len(saved) == 1

    def test_the_long_form_is_sent_again(self, session):
        form = {"note": "an hour of typing"}
        response = session.request("POST", "/orders/", json=form)
        assert (response.status_code, response.json()) == (201, form)

    def test_many_requests_at_once_renew_once(self, session, saved):
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(lambda _: session.request("GET", "/orders/"), range(THREADS)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(saved) == 1
        assert OutstandingToken.objects.count() == 2
        assert SignIn.objects.get().ended_at is None

    def test_without_the_lock_the_user_is_signed_out(self, live_server, stale):
        session = Naive(live_server.url, stale, print)

        def call(_):
            try:
                return session.request("GET", "/orders/").status_code
            except SignedOut:
                return "signed out"

        with ThreadPoolExecutor(THREADS) as pool:
            outcomes = list(pool.map(call, range(THREADS)))
        assert outcomes.count("signed out") == THREADS - 1
        assert SignIn.objects.get().ended_at is not None

    def test_a_lost_response_costs_the_sign_in(self, session, stale):
        assert renew(stale["refresh"]).status_code == 200  # the answer never arrived
        with pytest.raises(SignedOut):
            session.request("GET", "/orders/")

    def test_no_network_is_no_reason_to_sign_out(self, session, stale):
        with responses.RequestsMock() as network:
            network.get(f"{session.base_url}/orders/", status=401)
            network.post(f"{session.base_url}/token/refresh/", status=503)
            with pytest.raises(requests.HTTPError):
                session.request("GET", "/orders/")
            network.replace(
                responses.POST, f"{session.base_url}/token/refresh/", body=requests.ConnectionError("tunnel")
            )
            with pytest.raises(requests.ConnectionError):
                session.request("GET", "/orders/")
        assert session.tokens is stale
        assert session.request("GET", "/orders/").status_code == 200
