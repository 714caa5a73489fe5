"""Scenario 16: tokens are used, renewed, revoked and forged; which of them open the API?"""

import base64
import json
import os
import subprocess
import sys
import time
from datetime import timedelta

import jwt
import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.core.management import call_command
from rest_framework.authentication import SessionAuthentication
from rest_framework.test import APIClient
from rest_framework_simplejwt import serializers as simplejwt
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication
from rest_framework_simplejwt.settings import DEFAULTS, IMPORT_STRINGS, APISettings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from shop.views import OrderList

PASSWORD = "change-me"

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def tokens(user):
    response = post("/token/", username="ann", password=PASSWORD)
    assert response.status_code == 200
    return response.json()


def post(url, **body):
    return APIClient().post(url, body, format="json")


def get(token=None, scheme="Bearer"):
    headers = {"authorization": f"{scheme} {token}"} if token else {}
    return APIClient().get("/orders/", headers=headers)


def refresh(token):
    return post("/token/refresh/", refresh=token)


def payload(token):
    """Read the claims as anybody can, without a key."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class TestLogin:
    def test_the_access_token_opens_the_api(self, user, tokens):
        assert get(tokens["access"]).json() == {"user": str(user.pk)}

    def test_without_a_token_the_answer_is_401_and_names_the_scheme(self):
        response = get()
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")

    def test_a_wrong_password_is_refused(self, user):
        assert post("/token/", username="ann", password="wrong").status_code == 401

    def test_access_lives_ten_minutes_and_refresh_fourteen_days(self, tokens):
        for name, lifetime in [("access", timedelta(minutes=10)), ("refresh", timedelta(days=14))]:
            claims = payload(tokens[name])
            assert timedelta(seconds=claims["exp"] - claims["iat"]) == lifetime

    def test_an_expired_access_token_is_401(self, user):
        token = AccessToken.for_user(user)
        token.set_exp(lifetime=-timedelta(seconds=1))
        response = get(token)
        assert response.status_code == 401
        assert response.json()["code"] == "token_not_valid"

    def test_the_login_has_no_limit_of_its_own(self, user):
        codes = {post("/token/", username="ann", password="wrong").status_code for _ in range(30)}
        assert codes == {401}


class TestRevocation:
    def test_rotation_ends_the_old_refresh_token_and_only_that(self, tokens):
        renewed = refresh(tokens["refresh"]).json()
        assert renewed["refresh"] != tokens["refresh"]
        old = refresh(tokens["refresh"])
        assert (old.status_code, old.json()["detail"]) == (401, "Token is blacklisted")
        assert refresh(renewed["refresh"]).status_code == 200

    def test_logging_out_ends_the_refresh_token_but_not_the_access_token(self, tokens):
        assert post("/token/blacklist/", refresh=tokens["refresh"]).status_code == 200
        assert refresh(tokens["refresh"]).status_code == 401
        assert get(tokens["access"]).status_code == 200

    def test_a_deactivated_user_is_out_at_once(self, user, tokens):
        get_user_model().objects.update(is_active=False)
        assert get(tokens["access"]).json()["code"] == "user_inactive"
        assert refresh(tokens["refresh"]).status_code == 401

    def test_a_new_password_ends_the_access_token_at_once(self, user, tokens):
        user.set_password("changed")
        user.save()
        response = get(tokens["access"])
        assert (response.status_code, response.json()["code"]) == (401, "password_changed")

    def test_a_refresh_token_from_before_the_new_password_renews_into_nothing(self, user, tokens):
        user.set_password("changed")
        user.save()
        renewed = refresh(tokens["refresh"])
        assert renewed.status_code == 200
        assert get(renewed.json()["access"]).json()["code"] == "password_changed"

    def test_the_user_costs_one_query(self, tokens, django_assert_num_queries):
        with django_assert_num_queries(1):
            get(tokens["access"])

    def test_the_sweep_deletes_what_has_expired(self, tokens):
        refresh(tokens["refresh"])
        old = OutstandingToken.objects.filter(blacklistedtoken__isnull=False)
        old.update(expires_at="2020-01-01T00:00:00Z")
        call_command("flushexpiredtokens")
        assert OutstandingToken.objects.count() == 1
        assert not BlacklistedToken.objects.exists()


class TestTheDefaults:
    def test_they_are_as_said(self):
        assert DEFAULTS["ACCESS_TOKEN_LIFETIME"] == timedelta(minutes=5)
        assert DEFAULTS["REFRESH_TOKEN_LIFETIME"] == timedelta(days=1)
        assert not DEFAULTS["ROTATE_REFRESH_TOKENS"]
        assert DEFAULTS["ALGORITHM"] == "HS256"
        assert DEFAULTS["SIGNING_KEY"] == project.SECRET_KEY

    def test_a_refresh_token_may_be_used_again_and_again(self, tokens, monkeypatch):
        monkeypatch.setattr(simplejwt, "api_settings", APISettings({}, DEFAULTS, IMPORT_STRINGS))
        for _ in range(3):
            assert refresh(tokens["refresh"]).json().keys() == {"access"}


class TestForgery:
    @pytest.fixture
    def forged(self, user):
        now = int(time.time())
        claims = {"token_type": "access", "user_id": str(user.pk), "jti": "forged", "iat": now}
        claims |= {
            "exp": now + 600,
            "hash_password": payload(str(AccessToken.for_user(user)))["hash_password"],
        }
        return lambda key: jwt.encode(claims, key, algorithm="HS256")

    def test_who_knows_the_signing_key_is_anybody(self, forged):
        assert get(forged(project.SIMPLE_JWT["SIGNING_KEY"])).status_code == 200

    def test_knowing_the_secret_key_is_not_enough(self, forged):
        assert get(forged(project.SECRET_KEY)).status_code == 401

    def test_the_payload_is_readable_without_any_key(self, user, tokens):
        assert payload(tokens["access"])["user_id"] == str(user.pk)

    def test_the_table_of_outstanding_tokens_holds_refresh_tokens_that_work(self, tokens):
        assert refresh(OutstandingToken.objects.get().token).status_code == 200


class TestMistakes:
    def test_a_stateless_user_stays_in_after_deactivation(
        self, user, tokens, monkeypatch, django_assert_num_queries
    ):
        monkeypatch.setattr(OrderList, "authentication_classes", [JWTStatelessUserAuthentication])
        get_user_model().objects.update(is_active=False)
        with django_assert_num_queries(0):
            assert get(tokens["access"]).status_code == 200

    def test_session_authentication_first_turns_401_into_403(self, user, monkeypatch):
        monkeypatch.setattr(OrderList, "authentication_classes", [SessionAuthentication, JWTAuthentication])
        token = AccessToken.for_user(user)
        token.set_exp(lifetime=-timedelta(seconds=1))
        assert get(token).status_code == 403

    def test_another_scheme_is_as_good_as_no_header(self, tokens):
        response = get(tokens["access"], scheme="Token")
        assert response.status_code == 401
        assert response.json()["detail"] == "Authentication credentials were not provided."

    def test_the_renewal_of_a_deleted_user_is_a_crash(self, user, tokens):
        user.delete()
        with pytest.raises(get_user_model().DoesNotExist):
            refresh(tokens["refresh"])

    def test_without_the_blacklist_app_the_old_refresh_token_goes_on_silently(self):
        script = """
import django
from django.conf import settings
settings.INSTALLED_APPS.remove("rest_framework_simplejwt.token_blacklist")
settings.DATABASES["default"]["NAME"] = ":memory:"
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import RefreshToken
call_command("migrate", verbosity=0)
body = {"refresh": str(RefreshToken.for_user(User.objects.create_user("ann")))}
settings.ALLOWED_HOSTS = ["testserver"]
print([APIClient().post("/token/refresh/", body).status_code for _ in range(2)])
"""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == "[200, 200]", done.stderr

    def test_a_refresh_token_is_no_key_to_the_api(self, user):
        response = get(RefreshToken.for_user(user))
        assert response.json()["messages"][0]["message"] == "Token has wrong type"
