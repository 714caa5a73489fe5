"""Scenario 40: the tests of the answer hold, and what each way of signing in does and does not notice."""

from datetime import timedelta

import pytest
from api.tests import conftest, test_tokens
from api.tests.test_profile import ProfileTests
from api.views import Me
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.urls import path
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import AllowAny, DjangoModelPermissions
from rest_framework.response import Response
from rest_framework.test import APIClient, RequestsClient
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.views import TokenObtainPairView

pytestmark = pytest.mark.django_db

# The fixtures of the answer, for the tests of this module too.
user, bearer = conftest.user, conftest.bearer


@pytest.fixture
def forced(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def token(user):
    return str(AccessToken.for_user(user))


def serve(settings, view):
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("it/", view.as_view())]})


class TestWhatIsNoticedWhenTheLockIsOff:
    def test_without_authentication_classes_forced_tests_pass_and_token_tests_fail(
        self, monkeypatch, forced, user, bearer
    ):
        monkeypatch.setattr(Me, "authentication_classes", [])
        assert forced.get("/me/").status_code == 200
        with pytest.raises(AssertionError):
            test_tokens.test_a_good_token_stops_working_when_its_user_is_deactivated(user, bearer)

    def test_with_allow_any_the_test_without_a_token_fails(self, monkeypatch):
        monkeypatch.setattr(Me, "permission_classes", [AllowAny])
        case = ProfileTests("test_without_a_token_it_is_401")
        case.client = APIClient()
        with pytest.raises(AssertionError, match="200 != 401"):
            case.test_without_a_token_it_is_401()

    def test_a_deactivated_user_passes_when_forced(self, forced, user):
        user.is_active = False
        user.save()
        assert forced.get("/me/").status_code == 200

    def test_permissions_still_run_when_forced(self, forced):
        assert forced.get("/reports/").status_code == 403


class TestTheHeader:
    def test_the_ways_that_send_it(self, token, bearer):
        value = f"Bearer {token}"
        assert bearer(token).get("/me/").status_code == 200
        assert APIClient().get("/me/", headers={"authorization": value}).status_code == 200
        assert APIClient().get("/me/", HTTP_AUTHORIZATION=value).status_code == 200

    def test_the_ways_that_look_right_and_send_nothing(self, token):
        value = f"Bearer {token}"
        assert APIClient().get("/me/", Authorization=value).status_code == 401
        for wrong in ({"Authorization": value}, {"headers": {"authorization": value}}):
            client = APIClient()
            client.credentials(**wrong)
            response = client.get("/me/")
            assert response.status_code == 401
            assert response.json()["detail"] == "Authentication credentials were not provided."

    def test_credentials_win_over_the_header_of_one_request(self, token, bearer):
        client = bearer(token)
        assert client.get("/me/", headers={"authorization": "Bearer garbage"}).status_code == 200
        assert client.get("/me/", HTTP_AUTHORIZATION="Bearer garbage").status_code == 200

    def test_requests_client_sends_its_session_headers(self, token):
        client = RequestsClient()
        assert client.get("http://testserver/me/").status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("http://testserver/me/").json() == {"username": "ann"}


class TestSessions:
    def test_login_makes_a_session_that_jwt_does_not_read(self, user):
        user.set_password("change-me")
        user.save()
        client = APIClient()
        assert client.login(username="ann", password="change-me")
        assert client.get("/me/").status_code == 401

    @pytest.fixture
    def session_view(self, settings):
        class View(APIView):
            authentication_classes = (SessionAuthentication,)

            def post(self, request):
                return Response(request.user.username)

        serve(settings, View)

    def test_force_login_is_enough_for_session_authentication(self, session_view, user):
        client = APIClient()
        client.force_login(user)
        assert client.post("/it/").json() == "ann"

    def test_csrf_is_checked_only_on_demand(self, session_view, user):
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(user)
        response = client.post("/it/")
        assert response.status_code == 403
        assert "CSRF" in response.json()["detail"]


class TestOtherTokens:
    def test_token_authentication_wants_the_word_token(self, settings, user):
        class View(APIView):
            authentication_classes = (TokenAuthentication,)

            def get(self, request):
                return Response(request.user.username)

        serve(settings, View)
        key = Token.objects.create(user=user).key
        client = APIClient()
        assert client.get("/it/", headers={"authorization": f"Token {key}"}).json() == "ann"
        assert client.get("/it/", headers={"authorization": f"Bearer {key}"}).status_code == 401


class TestSettingsReadAtImport:
    def test_overriding_the_lifetime_changes_no_token(self, settings, user, bearer):
        settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(seconds=-1)}
        assert bearer(AccessToken.for_user(user)).get("/me/").status_code == 200

    def test_overriding_the_default_classes_changes_no_view(self, settings):
        settings.REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}
        assert APIClient().get("/me/").status_code == 401


class TestCachedPermissions:
    def test_a_right_granted_after_the_first_check_is_seen_by_a_fresh_user_only(
        self, settings, user, django_user_model
    ):
        class View(APIView):
            permission_classes = (DjangoModelPermissions,)
            queryset = django_user_model.objects.all()

            def post(self, request):
                return Response("done")

        serve(settings, View)
        client = APIClient()
        client.force_authenticate(user)
        assert client.post("/it/").status_code == 403
        user.user_permissions.add(Permission.objects.get(codename="add_user"))
        assert client.post("/it/").status_code == 403
        client.force_authenticate(django_user_model.objects.get(pk=user.pk))
        assert client.post("/it/").status_code == 200


class TestLoggingInEverywhere:
    def test_a_throttled_login_answers_429_soon(self, monkeypatch):
        class Throttle(ScopedRateThrottle):
            def get_rate(self):
                return "2/min"

        cache.clear()
        monkeypatch.setattr(TokenObtainPairView, "throttle_scope", "login", raising=False)
        monkeypatch.setattr(TokenObtainPairView, "throttle_classes", [Throttle])
        body = {"username": "nobody", "password": "change-me"}
        codes = [APIClient().post("/token/", body).status_code for _ in range(3)]
        cache.clear()
        assert codes == [401, 401, 429]

    def test_a_user_without_a_password_costs_no_hashing(self, user):
        assert not user.has_usable_password()
