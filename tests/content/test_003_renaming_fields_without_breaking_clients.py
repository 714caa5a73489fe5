"""Scenario 3: `username` becomes `user_name`; clients of either name read, write, filter and sort."""

import logging
from datetime import UTC
from email.utils import parsedate_to_datetime

import pytest
from accounts.models import Account
from accounts.serializers import AccountSerializer
from accounts.views import AccountFilter, AccountViewSet
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

MAIL = "a@b.example"


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def ann():
    return Account.objects.create(username="ann", email=MAIL)


@pytest.fixture
def bob():
    return Account.objects.create(username="bob", email=MAIL)


class TestReading:
    def test_both_names_are_answered(self, client, ann):
        body = client.get(f"/accounts/{ann.pk}/").json()
        assert body == {"id": ann.pk, "username": "ann", "user_name": "ann", "email": MAIL}

    @pytest.mark.parametrize("name", ["username", "user_name"])
    def test_both_names_filter(self, client, ann, bob, name):
        assert [row["id"] for row in client.get("/accounts/", {name: "bob"}).json()] == [bob.pk]

    @pytest.mark.parametrize("name", ["username", "user_name"])
    def test_both_names_sort(self, client, ann, bob, name):
        rows = client.get("/accounts/", {"ordering": f"-{name}"}).json()
        assert [row["username"] for row in rows] == ["bob", "ann"]

    def test_the_alias_selects_no_further_column(self, client, ann):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/accounts/", {"ordering": "user_name"})
        (query,) = queries
        selected = query["sql"].partition(" FROM ")[0]
        assert selected.count("username") == 1
        assert "user_name" not in selected


class TestWriting:
    @pytest.mark.parametrize("name", ["username", "user_name"])
    def test_either_name_creates(self, client, name):
        response = client.post("/accounts/", {name: "cid", "email": MAIL})
        assert response.status_code == 201
        assert Account.objects.get().username == "cid"

    @pytest.mark.parametrize("encoding", ["json", "multipart"])
    def test_both_names_with_one_value_create(self, client, encoding):
        body = {"username": "cid", "user_name": "cid", "email": MAIL}
        assert client.post("/accounts/", body, format=encoding).status_code == 201

    def test_neither_name_is_an_error(self, client):
        response = client.post("/accounts/", {"email": MAIL})
        assert response.status_code == 400
        assert response.json() == {"user_name": ["This field is required."]}

    def test_a_patch_needs_neither(self, client, ann):
        assert client.patch(f"/accounts/{ann.pk}/", {"email": "n@b.example"}).status_code == 200

    @pytest.mark.parametrize("name", ["username", "user_name"])
    def test_whoever_reads_edits_one_and_puts_everything_back_is_understood(self, client, ann, name):
        body = client.get(f"/accounts/{ann.pk}/").json()
        assert client.put(f"/accounts/{ann.pk}/", {**body, name: "anna"}).status_code == 200
        ann.refresh_from_db()
        assert ann.username == "anna"

    @pytest.mark.parametrize("method", ["post", "put"])
    def test_two_different_new_values_are_refused(self, client, ann, method):
        url = "/accounts/" if method == "post" else f"/accounts/{ann.pk}/"
        body = {"username": "x", "user_name": "y", "email": MAIL}
        response = getattr(client, method)(url, body)
        assert response.status_code == 400
        assert response.json() == {"user_name": ["Contradicts username. Send only one."]}

    @pytest.mark.parametrize("name", ["username", "user_name"])
    @pytest.mark.parametrize(("value", "code"), [("ann", "unique"), ("far too long", "max_length")])
    def test_the_model_checks_apply_to_both_and_the_error_bears_the_name_sent(self, ann, name, value, code):
        serializer = AccountSerializer(data={name: value, "email": MAIL})
        assert not serializer.is_valid()
        assert [error.code for error in serializer.errors[name]] == [code]

    def test_a_body_that_is_no_object_is_a_400(self, client):
        assert client.post("/accounts/", 5).status_code == 400


class TestTellingClients:
    def test_the_schema_deprecates_the_old_name_only_and_calls_both_optional(self):
        schema = SchemaGenerator().get_schema(public=True)
        properties = schema["components"]["schemas"]["Account"]["properties"]
        assert not {"username", "user_name"} & set(schema["components"]["schemas"]["Account"]["required"])
        assert [name for name, field in properties.items() if field.get("deprecated")] == ["username"]

    def test_the_guide_is_linked_and_the_url_itself_is_not_called_deprecated(self, client, ann):
        headers = client.get("/accounts/").headers
        assert headers["Link"] == '<https://api.example.com/docs/user-name>; rel="deprecation"'
        assert not {"Deprecation", "Sunset"} & headers.keys()

    def test_v1_announces_its_end_with_a_unix_time_and_an_http_date_not_before_it(self, client, ann):
        headers = client.get("/v1/accounts/").headers
        assert headers["Deprecation"] == "@1798761600"
        assert headers["Sunset"] == "Fri, 01 Oct 2027 00:00:00 GMT"
        sunset = parsedate_to_datetime(headers["Sunset"]).astimezone(UTC)
        assert sunset.timestamp() >= int(headers["Deprecation"].removeprefix("@"))


class TestCountingWhoIsLeft:
    @pytest.fixture
    def user(self, client):
        user = User.objects.create_user("integrator")
        client.force_authenticate(user)
        return user

    @pytest.fixture
    def logged(self, caplog):
        """What a level of WARNING lets through, as with Django's default logging."""
        return lambda: [r.getMessage() for r in caplog.records if r.name == "api.deprecation"]

    def test_info_would_be_dropped_by_the_default_logging(self):
        assert not logging.getLogger("api.deprecation").isEnabledFor(logging.INFO)
        assert logging.getLogger("api.deprecation").isEnabledFor(logging.WARNING)

    @pytest.mark.parametrize(
        "use",
        [
            lambda client: client.get("/accounts/?username=ann"),
            lambda client: client.get("/accounts/?ordering=-username"),
            lambda client: client.post("/accounts/", {"username": "cid", "email": MAIL}),
        ],
    )
    def test_use_of_the_old_name_is_logged_with_the_client(self, client, user, logged, use):
        use(client)
        assert logged() == [f"username used by client {user.pk}"]

    @pytest.mark.parametrize(
        "use",
        [
            lambda client: client.get("/accounts/"),
            lambda client: client.get("/accounts/?user_name=ann&ordering=user_name"),
            lambda client: client.post("/accounts/", {"user_name": "cid", "email": MAIL}),
            lambda client: client.post("/accounts/", [1]),
        ],
    )
    def test_use_of_the_new_name_is_not_and_neither_is_reading(self, client, user, logged, use):
        use(client)
        assert not logged()


class TestMistakes:
    def test_a_field_declared_by_hand_lets_a_duplicate_through_to_the_database(self, ann):
        class Naive(serializers.ModelSerializer):
            user_name = serializers.CharField(source="username")

            class Meta:
                model = Account
                fields = ("user_name", "email")

        serializer = Naive(data={"user_name": "ann", "email": MAIL})
        assert serializer.is_valid()
        with pytest.raises(IntegrityError):
            serializer.save()

    def test_the_last_declared_name_wins_silently_without_the_rule(self, ann):
        class Naive(AccountSerializer):
            to_internal_value = serializers.ModelSerializer.to_internal_value

        body = {**Naive(ann).data, "username": "anna"}
        serializer = Naive(ann, data=body)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        ann.refresh_from_db()
        assert ann.username == "ann"

    def test_a_forgotten_filter_returns_every_row(self, client, ann, bob, monkeypatch):
        naive = type("Naive", (AccountFilter,), {"user_name": None})
        monkeypatch.setattr(AccountViewSet, "filterset_class", naive)
        assert len(client.get("/accounts/?user_name=ann").json()) == 2

    def test_a_forgotten_ordering_is_ignored(self, client, monkeypatch, ann, bob):
        monkeypatch.setattr(AccountViewSet, "ordering_fields", ["username"])
        rows = client.get("/accounts/?ordering=-user_name").json()
        assert [row["id"] for row in rows] == [ann.pk, bob.pk]
