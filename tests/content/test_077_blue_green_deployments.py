"""Scenario 77: green is smoke-tested, blue meets green's migrations, and sessions cross the switch."""

from pathlib import Path

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models, transaction
from prometheus_client import REGISTRY
from shop.models import Product

NEEDS = ("postgresql",)
HOST = "api.example.com"


@pytest.fixture
def green(live_server, settings):
    settings.RELEASE = "1.43.0"
    settings.ALLOWED_HOSTS = [HOST]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return live_server.url


@pytest.mark.django_db(transaction=True)
class TestTheSmokeTest:
    def test_it_passes_when_the_right_release_answers(self, green):
        call_command("smoke", green, HOST, "1.43.0", "/products/", "/products/")

    def test_it_fails_on_an_error(self, green):
        with pytest.raises(CommandError, match=r"/broken/: 500 by 1\.43\.0"):
            call_command("smoke", green, HOST, "1.43.0", "/products/", "/broken/")

    def test_it_fails_when_another_release_answers(self, green):
        with pytest.raises(CommandError, match=r"/products/: 200 by 1\.43\.0"):
            call_command("smoke", green, HOST, "1.44.0", "/products/")

    def test_it_does_not_follow_a_redirect_to_somewhere_else(self, green):
        with pytest.raises(CommandError, match="302"):
            call_command("smoke", green, HOST, "1.43.0", "/moved/")

    def test_it_asks_as_the_test_account(self, green, monkeypatch):
        with pytest.raises(CommandError, match="401"):
            call_command("smoke", green, HOST, "1.43.0", "/orders/")
        monkeypatch.setenv("SMOKE_AUTHORIZATION", "Token change-me")
        call_command("smoke", green, HOST, "1.43.0", "/orders/")

    def test_without_the_public_host_name_a_strict_release_answers_400(self, green):
        with pytest.raises(CommandError, match="400"):
            call_command("smoke", green, "10.0.2.10", "1.43.0", "/products/")


class TestTheRelease:
    def counted(self, release, code):
        labels = {"release": release, "code": code}
        return REGISTRY.get_sample_value("release_request_seconds_count", labels) or 0

    def test_each_release_is_counted_apart(self, client, settings):
        before = self.counted("blue", "5xx"), self.counted("green", "2xx")
        settings.RELEASE = "blue"
        client.get("/broken/")
        settings.RELEASE = "green"
        assert client.get("/products/")["X-Release"] == "green"
        assert (self.counted("blue", "5xx"), self.counted("green", "2xx")) == (before[0] + 1, before[1] + 1)
        assert self.counted("green", "5xx") == 0

    def test_the_rules_use_its_labels(self):
        rules = yaml.safe_load(Path("release.rules.yml").read_text())["groups"][0]["rules"]
        assert all("by (release" in rule["expr"] for rule in rules)


@pytest.mark.django_db(transaction=True)
class TestBlueAndGreensMigrations:
    """The models are blue's code; the schema is changed under it as green's migration does."""

    def test_a_new_nullable_column_does_not_disturb_blue(self):
        field = models.CharField(max_length=50, null=True)
        field.set_attributes_from_name("colour")
        with connection.schema_editor() as editor:
            editor.add_field(Product, field)
        try:
            Product.objects.create(name="bread")
            assert Product.objects.get().name == "bread"
        finally:
            with connection.schema_editor() as editor:
                editor.remove_field(Product, field)

    def test_a_new_required_column_without_a_database_default_breaks_blues_inserts(self):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE shop_product ADD COLUMN size integer NOT NULL DEFAULT 0")
            cursor.execute("ALTER TABLE shop_product ALTER COLUMN size DROP DEFAULT")
        try:
            with pytest.raises(DatabaseError), transaction.atomic():
                Product.objects.create(name="bread")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE shop_product DROP COLUMN size")

    def test_a_dropped_column_breaks_blue(self):
        field = Product._meta.get_field("label")
        with connection.schema_editor() as editor:
            editor.remove_field(Product, field)
        try:
            with pytest.raises(DatabaseError, match="label"):
                list(Product.objects.all())
        finally:
            with connection.schema_editor() as editor:
                editor.add_field(Product, field)


@pytest.mark.django_db
class TestSessionsAcrossTheSwitch:
    def still_logged_in(self, client):
        from django.contrib.auth import get_user
        from django.test import RequestFactory

        request = RequestFactory().get("/")
        request.session = client.session
        return get_user(request).is_authenticated

    def test_another_secret_key_logs_everybody_out(self, client, settings):
        client.force_login(User.objects.create_user("ann"))
        assert self.still_logged_in(client)
        settings.SECRET_KEY = "another-change-me"
        assert not self.still_logged_in(client)
