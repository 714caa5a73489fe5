"""Scenario 93: the old endpoint before, in a brown-out, after its date, and when only the stub is left."""

from base64 import b64encode
from datetime import datetime, timedelta

import pytest
import requests
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from exports.models import Export
from exports.retirement import RetiredView
from rest_framework.schemas.generators import EndpointEnumerator
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

BEFORE = datetime.fromisoformat("2027-06-01T10:00:00+00:00")
BROWNOUT = datetime.fromisoformat("2027-06-16T10:30:00+00:00")
BETWEEN = datetime.fromisoformat("2027-06-16T11:00:00+00:00")
AFTER = datetime.fromisoformat("2027-06-30T10:00:00+00:00")
GUIDE = "https://docs.example.com/migrate/exports"
BODY = {
    "code": "endpoint_retired",
    "detail": "/v1/exports/ is switched off. Use /v2/exports/.",
    "guide": GUIDE,
}
LINK = f'</v2/exports/>; rel="successor-version", <{GUIDE}>; rel="sunset"'

WRONG = {"authorization": "Basic " + b64encode(b"nobody:nothing").decode()}


@pytest.fixture
def ann():
    return User.objects.create(username="ann")


@pytest.fixture
def client(ann):
    client = APIClient(headers={"user-agent": "nightly-job/1"})
    client.force_authenticate(ann)
    return client


class StubUrls:
    from django.urls import re_path

    urlpatterns = (re_path(r"^v1/exports(/|$)", RetiredView.as_view()),)


class TestTheSwitch:
    @pytest.mark.parametrize("moment", [BEFORE, BETWEEN])
    def test_before_and_between_it_works_as_ever(self, client, moment):
        with time_machine.travel(moment, tick=False):
            assert client.post("/v1/exports/", {"name": "a"}).status_code == 201
            assert client.get("/v1/exports/").json() == [{"id": Export.objects.get().pk, "name": "a"}]

    @pytest.mark.parametrize("moment", [BROWNOUT, AFTER])
    @pytest.mark.parametrize("method", ["get", "post", "delete"])
    def test_in_a_brownout_and_after_the_date_it_is_gone_with_a_link(self, client, moment, method):
        with time_machine.travel(moment, tick=False):
            response = getattr(client, method)("/v1/exports/")
        assert (response.status_code, response.json()) == (410, BODY)
        assert response["Link"] == LINK
        assert response["Cache-Control"] == "no-store"
        assert not Export.objects.exists()

    def test_a_later_date_brings_it_back(self, client, settings):
        with time_machine.travel(AFTER, tick=False):
            assert client.get("/v1/exports/").status_code == 410
            settings.V1_EXPORTS_SUNSET = timezone.now() + timedelta(days=30)
            assert client.get("/v1/exports/").status_code == 200

    @pytest.mark.parametrize(("moment", "off"), [(BEFORE, False), (AFTER, True)])
    def test_every_call_is_logged_with_its_client_and_agent(self, client, ann, caplog, moment, off):
        with time_machine.travel(moment, tick=False):
            client.get("/v1/exports/")
        (line,) = [record.getMessage() for record in caplog.records if record.name == "api.retirement"]
        assert line == f"v1/exports off={off} client={ann.pk} agent='nightly-job/1'"


class TestTheStub:
    @pytest.fixture(autouse=True)
    def code_deleted(self, settings):
        settings.ROOT_URLCONF = StubUrls

    @pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
    @pytest.mark.parametrize("url", ["/v1/exports", "/v1/exports/", "/v1/exports/7/file/"])
    def test_every_method_and_everything_below_is_gone(self, method, url):
        response = getattr(APIClient(), method)(url)
        assert (response.status_code, response.json()) == (410, BODY)
        assert response["Link"] == LINK

    @pytest.mark.parametrize("headers", [WRONG, {"accept": "image/png"}, {}])
    def test_neither_bad_credentials_nor_an_odd_accept_hide_the_message(self, headers):
        assert APIClient().get("/v1/exports/", headers=headers).json() == BODY

    def test_a_longer_name_is_not_caught(self):
        assert APIClient().get("/v1/exportsettings/").status_code == 404

    def test_it_is_not_in_the_schema(self):
        assert EndpointEnumerator(patterns=StubUrls.urlpatterns).get_api_endpoints() == []


class TestMistakes:
    def test_with_authentication_an_expired_token_hears_nothing_of_the_end(self):
        with time_machine.travel(AFTER, tick=False):
            response = APIClient().get("/v1/exports/", headers=WRONG)
        assert response.status_code in (401, 403)

    @pytest.mark.parametrize(("status", "arrives_as"), [(301, "GET"), (302, "GET"), (308, "POST")])
    def test_a_redirect_turns_a_post_into_a_get_unless_it_is_308(self, status, arrives_as):
        sent = requests.Request("POST", "https://api.example.com/v1/exports/").prepare()
        answer = requests.Response()
        answer.status_code = status
        requests.Session().rebuild_method(sent, answer)
        assert sent.method == arrives_as

    def test_a_404_says_nothing_a_client_could_tell_from_a_typo(self, client):
        removed, typo = client.get("/v1/removed/"), client.get("/v1/exprots/")
        assert removed.status_code == typo.status_code == 404
        assert "Link" not in removed.headers
