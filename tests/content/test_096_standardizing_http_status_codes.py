"""Scenario 96: each failure is provoked once, and the naive ways to answer it beside the agreed one."""

import re
import subprocess

import pytest
from api.exceptions import PreconditionFailed, ServiceUnavailable
from api.handler import status_handler
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from django.db.models.signals import pre_save
from django.urls import path
from rest_framework import authentication, exceptions, serializers
from rest_framework.authtoken.models import Token
from rest_framework.generics import UpdateAPIView
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.test import APIClient
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from shop.models import Order
from shop.orders import OrderClosed
from shop.orders import cancel as cancel_order
from shop.serializers import OrderSerializer
from shop.views import OrderViewSet

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return get_user_model().objects.create_user("ada")


@pytest.fixture
def client(ada):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(ada)
    return client


@pytest.fixture
def order(ada):
    return Order.objects.create(owner=ada, number="A-1")


@pytest.fixture
def serve(settings):
    """A view at /x/ whose GET is the function."""

    def with_get(get, **attributes):
        attributes = {"permission_classes": [], "get": lambda self, request: get(request), **attributes}
        view = type("Naive", (APIView,), attributes)
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("x/", view.as_view())]})

    return with_get


def raising(exception):
    def get(request):
        raise exception

    return get


class TestTheTable:
    def test_of_an_unreadable_body_and_a_wrong_content_type(self, client):
        unreadable = client.post("/orders/", "{", content_type="application/json")
        assert (unreadable.status_code, unreadable.data["detail"].code) == (400, "parse_error")
        assert client.post("/orders/", "<a/>", content_type="application/xml").status_code == 415

    def test_of_a_url_that_names_nothing(self, client):
        assert client.get("/orders/none/").status_code == 404

    def test_of_an_unknown_id_in_the_body(self, client, order):
        field = serializers.PrimaryKeyRelatedField(queryset=Order.objects.all())
        naming = type("Naming", (serializers.Serializer,), {"order": field})(data={"order": 0})
        with pytest.raises(exceptions.ValidationError) as raised:
            naming.is_valid(raise_exception=True)
        assert (raised.value.status_code, raised.value.get_codes()) == (400, {"order": ["does_not_exist"]})

    def test_of_an_empty_list(self, client):
        response = client.get("/orders/")
        assert (response.status_code, response.json()) == (200, [])

    def test_of_a_delete(self, order):
        staff = APIClient()
        staff.force_authenticate(get_user_model().objects.create_user("staff", is_staff=True))
        response = staff.delete("/orders/A-1/")
        assert (response.status_code, response.content) == (204, b"")

    def test_of_an_old_version(self, client, serve):
        serve(raising(PreconditionFailed()))
        response = client.get("/x/")
        assert (response.status_code, response.data["detail"].code) == (412, "precondition_failed")

    def test_of_a_dependency_that_is_down(self, client, serve):
        serve(raising(ServiceUnavailable()))
        response = client.get("/x/")
        assert (response.status_code, response["Retry-After"]) == (503, "30")

    def test_of_too_many_requests(self, client, serve):
        never = type("Never", (UserRateThrottle,), {"rate": "0/min"})
        serve(lambda request: Response(), throttle_classes=[never])
        assert client.get("/x/").status_code == 429

    def test_names_the_statuses_that_drf_has_no_class_for(self):
        """A claim about DRF, so it is looked up there."""
        found = {
            each.status_code
            for each in vars(exceptions).values()
            if isinstance(each, type) and issubclass(each, exceptions.APIException)
        }
        assert found == {400, 401, 403, 404, 405, 406, 415, 429, 500}


class TestTheOrderOfDrf:
    def test_is_as_the_answer_says(self, client, order, monkeypatch):
        nobody = APIClient()
        assert nobody.put("/orders/", headers={"accept": "text/csv"}).status_code == 406
        assert nobody.put("/orders/").status_code == 401
        assert client.put("/orders/A-1/").status_code == 405
        never = type("Never", (UserRateThrottle,), {"rate": "0/min"})
        monkeypatch.setattr(OrderViewSet, "throttle_classes", [never])
        assert client.put("/orders/A-1/").status_code == 429
        assert client.delete("/orders/A-1/").status_code == 403
        assert nobody.put("/orders/").status_code == 401

    def test_looks_for_the_object_before_it_reads_the_body(self, client, serve, settings):
        view = type(
            "Update", (UpdateAPIView,), {"queryset": Order.objects.all(), "serializer_class": OrderSerializer}
        )
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("x/<int:pk>/", view.as_view())]})
        assert client.put("/x/0/", "<a/>", content_type="application/xml").status_code == 404


class TestTranslations:
    def test_a_closed_order_is_a_conflict_with_a_code(self, client, order):
        Order.objects.update(status="shipped")
        response = client.post("/orders/A-1/cancel/")
        assert (response.status_code, response.data["detail"].code) == (409, "order_closed")
        assert response.json() == {"detail": "The order is closed."}

    def test_an_order_that_is_shipped_in_between_is_not_cancelled(self, order):
        stale = Order.objects.get(pk=order.pk)
        Order.objects.update(status="shipped")
        assert stale.status == "open"
        with pytest.raises(OrderClosed):
            cancel_order(stale)
        order.refresh_from_db()
        assert order.status == "shipped"

    def test_a_cancelled_order_is_shown_as_such(self, client, order):
        assert client.post("/orders/A-1/cancel/").json() == {"number": "A-1", "status": "cancelled"}

    def test_a_protected_row_is_a_conflict_too(self, client, serve, ada, order):
        serve(lambda request: ada.delete())
        response = client.get("/x/")
        assert (response.status_code, response.data["detail"].code) == (409, "referenced")

    def test_without_the_handler_both_are_a_500(self, client, serve, settings, ada, order):
        serve(lambda request: ada.delete())
        settings.REST_FRAMEWORK = {
            **settings.REST_FRAMEWORK,
            "EXCEPTION_HANDLER": "rest_framework.views.exception_handler",
        }
        assert client.get("/x/").status_code == 500

    def test_the_handler_may_set_422_for_all_views(self, client, settings):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": unprocessable}
        assert client.post("/orders/", {"number": ""}).status_code == 422
        assert client.get("/orders/none/").status_code == 404


def unprocessable(exc, context):
    if isinstance(exc, exceptions.ValidationError):
        exc.status_code = 422
    return status_handler(exc, context)


class TestDuplicates:
    def test_a_duplicate_gives_the_same_400_in_a_race(self, client, ada):
        number = {"number": "A-1"}

        def other_request(instance, **kwargs):
            Order.objects.bulk_create([Order(owner=ada, number=instance.number)])

        pre_save.connect(other_request, sender=Order)
        try:
            raced = client.post("/orders/", number)
        finally:
            pre_save.disconnect(other_request, sender=Order)
        Order.objects.create(owner=ada, number="A-1")
        validated = client.post("/orders/", number)
        assert raced.status_code == validated.status_code == 400
        assert codes(raced) == codes(validated) == {"number": ["unique"]}


def codes(response):
    return {field: [error.code for error in errors] for field, errors in response.data.items()}


class TestWhoAreYou:
    def test_401_with_the_header_for_missing_and_bad_credentials(self):
        for headers in ({}, {"authorization": "Token change-me"}):
            response = APIClient().get("/orders/", headers=headers)
            assert (response.status_code, response["WWW-Authenticate"]) == (401, "Token")

    def test_403_for_a_known_user_and_200_with_a_good_token(self, ada, order):
        headers = {"authorization": f"Token {Token.objects.create(user=ada)}"}
        assert APIClient().get("/orders/", headers=headers).status_code == 200
        response = APIClient().delete("/orders/A-1/", headers=headers)
        assert response.status_code == 403
        assert "WWW-Authenticate" not in response

    def test_session_first_turns_every_401_into_403(self, monkeypatch):
        swapped = [authentication.SessionAuthentication, authentication.TokenAuthentication]
        monkeypatch.setattr(OrderViewSet, "authentication_classes", swapped)
        for headers in ({}, {"authorization": "Token change-me"}):
            response = APIClient().get("/orders/", headers=headers)
            assert response.status_code == 403
            assert "WWW-Authenticate" not in response

    def test_session_is_first_by_default(self, settings):
        assert api_settings.defaults["DEFAULT_AUTHENTICATION_CLASSES"][0].endswith("SessionAuthentication")

    def test_basic_first_asks_the_browser_for_a_password(self, monkeypatch):
        monkeypatch.setattr(OrderViewSet, "authentication_classes", [authentication.BasicAuthentication])
        assert APIClient().get("/orders/")["WWW-Authenticate"].startswith("Basic ")


class TestMistakes:
    def test_a_bare_api_exception_is_a_500(self, client, serve):
        serve(raising(exceptions.APIException("already shipped")))
        assert client.get("/x/").status_code == 500

    @pytest.mark.parametrize(
        "get",
        [
            lambda request: Order(number="").full_clean(),
            lambda request: Token.objects.filter(user__in=[int(request.query_params.get("page", "two"))]),
        ],
    )
    def test_wrong_input_that_no_serializer_saw_is_a_500(self, client, serve, get):
        serve(get)
        assert client.get("/x/").status_code == 500

    def test_a_malformed_uuid_in_a_filter_raises_what_drf_does_not_know(self, client, serve):
        with pytest.raises(DjangoValidationError) as raised:
            models.UUIDField().to_python("no-uuid")
        serve(raising(raised.value))
        assert client.get("/x/").status_code == 500

    def test_the_same_error_within_validate_is_a_400(self, client, serve):
        class Checked(serializers.Serializer):
            def validate(self, attrs):
                Order(number="").full_clean()

        serve(lambda request: Checked(data={}).is_valid(raise_exception=True))
        assert client.get("/x/").status_code == 400

    def test_a_crash_stays_a_500_under_the_handler(self, client, serve):
        serve(lambda request: Order.objects.get(pk=0))
        assert client.get("/x/").status_code == 500


def test_the_search_finds_every_spelling_and_nothing_that_succeeds(tmp_path):
    (tmp_path / "views.py").write_text(OLD_VIEWS)
    (tmp_path / "test_views.py").write_text(OLD_VIEWS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    found = subprocess.run(SEARCH, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.findall(r"^(.+?):(\d+):", found.stdout, re.MULTILINE) == [
        ("views.py", str(n)) for n in (1, 2, 3)
    ]


SEARCH = r"git grep -nE 'status=(status\.HTTP_)?[45]|HTTPStatus' -- '*.py' ':!*test*'"
OLD_VIEWS = """\
return Response({"error": "no"}, status=404)
return Response(body, status=status.HTTP_400_BAD_REQUEST)
return JsonResponse(body, status=HTTPStatus.BAD_REQUEST)
return Response(body, status=201)
return Response(body, status=status.HTTP_201_CREATED)
Order.objects.filter(status="open")
"""
