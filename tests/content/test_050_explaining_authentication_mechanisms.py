"""Scenario 50: the guide is held against the API, line by line: drawing, curl, lifetimes, errors."""

import re
import shlex
from datetime import timedelta

import pytest
import requests
from config.auth_guide import GUIDE
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.test import Client
from docs.quickstart import ShopClient
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from rest_framework.permissions import IsAdminUser
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from shop.views import OrderList

pytestmark = pytest.mark.django_db(transaction=True)

DESCRIPTION = project.SPECTACULAR_SETTINGS["DESCRIPTION"]


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann", password="change-me")


@pytest.fixture
def shop(live_server, user):
    return ShopClient(live_server.url, "ann", "change-me")


@pytest.fixture
def schema():
    return SchemaGenerator().get_schema(public=True)


def rows(title):
    """The cells of the table under a heading of the published guide, without its head."""
    section = DESCRIPTION.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def get(live_server, authorization=None):
    headers = {"Authorization": authorization} if authorization else {}
    return requests.get(f"{live_server.url}/orders/", headers=headers, timeout=10)


def message(response):
    assert response.status_code == 401
    body = response.json()
    return body["messages"][0]["message"] if "messages" in body else body["detail"]


class TestWhatTheGuideSays:
    def test_the_drawing_is_what_happens(self, live_server, user, shop):
        first = dict(shop.tokens)
        assert get(live_server, f"Bearer {first['access']}").status_code == 200
        renewed = shop.post("/token/refresh/", refresh=first["refresh"])
        assert renewed.keys() == {"access", "refresh"}
        assert renewed["access"] != first["access"]
        assert renewed["refresh"] != first["refresh"]
        assert get(live_server, f"Bearer {renewed['access']}").status_code == 200

    def test_the_drawing_is_straight(self):
        drawn = [line for line in DESCRIPTION.splitlines() if re.match(r" {5}\|.*\|$", line)]
        assert len(drawn) == 9
        assert {len(line) for line in drawn} == {len(drawn[0])}

    def test_each_curl_line_works_when_it_is_pasted(self, live_server, user):
        tokens = {}
        lines = [line.strip() for line in DESCRIPTION.splitlines() if line.startswith("    curl ")]
        assert len(lines) == 3
        for line in lines:
            line = line.replace("https://api.example.com", live_server.url)
            for name in tokens:
                line = line.replace(name.upper(), tokens[name])
            answer = as_curl_sends_it(line)
            assert answer.status_code == 200, line
            tokens |= {name: text for name, text in answer.json().items() if name != "owner"}

    def test_each_message_of_the_table_is_what_the_api_says_and_none_is_missing(self, live_server, shop):
        expired = AccessToken(shop.tokens["access"])
        expired.set_exp(lifetime=-timedelta(seconds=1))
        access, refresh = shop.tokens["access"], shop.tokens["refresh"]
        shop.post("/token/refresh/", refresh=refresh)
        wrong = {"username": "ann", "password": "change-it"}
        said = [
            message(get(live_server)),
            message(get(live_server, f"Bearer Bearer {access}")),
            message(get(live_server, f"Bearer {refresh}")),
            message(get(live_server, f"Bearer {expired}")),
            message(
                requests.post(f"{live_server.url}/token/refresh/", json={"refresh": refresh}, timeout=10)
            ),
            message(requests.post(f"{live_server.url}/token/", json=wrong, timeout=10)),
        ]
        assert [row[0] for row in rows("When you get a 401")] == said

    @pytest.mark.parametrize("scheme", ["Token", "JWT", "bearer"])
    def test_another_word_than_bearer_counts_as_no_header(self, live_server, shop, scheme):
        answer = get(live_server, f"{scheme} {shop.tokens['access']}")
        assert message(answer) == rows("When you get a 401")[0][0]

    def test_the_lifetimes_are_those_of_the_tokens(self, shop):
        access, refresh = AccessToken(shop.tokens["access"]), RefreshToken(shop.tokens["refresh"])
        works_for = rows("The two tokens")[1]
        assert works_for == [
            "works for",
            f"{(access['exp'] - access['iat']) // 60} minutes",
            f"{(refresh['exp'] - refresh['iat']) // 86400} days, and once",
        ]
        assert "10 minutes later\n" in DESCRIPTION

    def test_no_placeholder_is_left(self):
        assert "{" in GUIDE
        assert "{" not in DESCRIPTION


def as_curl_sends_it(line):
    """The request of one curl command that has nothing but -d, -H and a URL."""
    words = shlex.split(line)[1:]
    url, data, headers = words.pop(), [], {}
    for flag, text in zip(words[::2], words[1::2], strict=True):
        if flag == "-d":
            data.append(tuple(text.split("=", 1)))
        else:
            assert flag == "-H"
            name, _, value = text.partition(": ")
            headers[name] = value
    return requests.request("POST" if data else "GET", url, data=data, headers=headers, timeout=10)


class TestTheReference:
    def test_the_guide_opens_it_and_it_is_valid(self, schema):
        validate_schema(schema)
        assert schema["info"]["description"].strip().startswith("# Authentication")

    def test_the_dialog_says_what_to_paste(self, schema):
        assert schema["components"]["securitySchemes"] == {
            "jwtAuth": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The access token from `/token/`, without `Bearer`.",
            }
        }
        assert schema["paths"]["/orders/"]["get"]["security"] == [{"jwtAuth": []}]

    def test_without_the_setting_the_dialog_has_no_word_of_explanation(self):
        with patched_settings({"APPEND_COMPONENTS": {}}):
            schemes = SchemaGenerator().get_schema(public=True)["components"]["securitySchemes"]
        assert schemes == {"jwtAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}

    def test_swagger_ui_keeps_the_token_only_if_told_to(self):
        assert b"persistAuthorization" not in Client().get("/docs/").content


class TestMistakes:
    def test_a_sample_without_renewal_fails_after_ten_minutes(self, live_server, shop):
        expired = AccessToken(shop.tokens["access"])
        expired.set_exp(lifetime=-timedelta(seconds=1))
        shop.tokens["access"] = str(expired)
        assert shop.send("/orders/").status_code == 401
        assert shop.get("/orders/").keys() == {"owner"}

    def test_a_client_that_keeps_the_old_refresh_token_is_out_at_the_second_renewal(self, shop):
        old = shop.tokens["refresh"]
        shop.post("/token/refresh/", refresh=old)
        with pytest.raises(requests.HTTPError, match="401"):
            shop.post("/token/refresh/", refresh=old)

    def test_of_two_header_types_the_schema_shows_one_and_warns(self, monkeypatch, capsys):
        monkeypatch.setattr(api_settings, "AUTH_HEADER_TYPES", ("Bearer", "JWT"))
        with patched_settings({"APPEND_COMPONENTS": {}}):
            schemes = SchemaGenerator().get_schema(public=True)["components"]["securitySchemes"]
        assert list(schemes) == ["jwtAuth"]
        assert schemes["jwtAuth"]["scheme"] == "bearer"
        assert "Using the first one" in capsys.readouterr().err

    def test_who_is_logged_in_and_not_allowed_gets_403_with_any_token(self, live_server, shop, monkeypatch):
        monkeypatch.setattr(OrderList, "permission_classes", [IsAdminUser])
        assert get(live_server, f"Bearer {shop.tokens['access']}").status_code == 403
