"""Scenario 99: the encrypted account is read and edited on record, and the record is then tampered with."""

import secrets
from threading import Thread

import pytest
import time_machine
from accounts.models import Account
from compliance import checks
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from rest_framework.test import APIClient
from trail.models import Entry, Head, first_broken, record

NEEDS = ("postgresql",)

IBAN = "DE00 0000 0000 0000 0000 00"
pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = Account(iban=IBAN)
    account.save()
    return account


@pytest.fixture
def officer():
    return User.objects.create(username="officer", is_staff=True)


@pytest.fixture
def client(officer):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(officer)
    return client


def read(client, account):
    return client.get(f"/accounts/{account.pk}/", secure=True)


def stored(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return repr(cursor.fetchall())


class TestTheEncryptedAndAuditedAccess:
    def test_a_read_gives_the_value_and_leaves_who_what_and_where(self, client, officer, account):
        assert read(client, account).json() == {"id": account.pk, "iban": IBAN}
        entry = Entry.objects.get()
        assert (entry.actor, entry.action, entry.target, entry.endpoint) == (
            f"user:{officer.pk}",
            "read",
            f"account:{account.pk}",
            "GET accounts/<int:pk>/",
        )

    def test_an_edit_is_recorded_and_encrypted(self, client, account):
        new = "FR11 1111"
        response = client.patch(f"/accounts/{account.pk}/", {"iban": new}, secure=True)
        assert response.json()["iban"] == new
        assert list(Entry.objects.values_list("action", flat=True)) == ["edit"]
        for table in ("accounts_account", "trail_entry"):
            assert "1111" not in stored(table)

    def test_the_database_holds_no_plain_text(self, account):
        assert Account.objects.get().iban == IBAN
        assert "0000 0000" not in stored("accounts_account")

    def test_after_a_rotation_old_rows_are_readable_and_new_ones_have_the_new_key(self, account, settings):
        new = Fernet.generate_key().decode()
        settings.DATA_KEYS = [new, *settings.DATA_KEYS]
        assert account.iban == IBAN
        account.iban = IBAN
        settings.DATA_KEYS = [new]
        assert account.iban == IBAN

    def test_without_permission_there_is_no_value(self, account):
        assert read(APIClient(), account).status_code == 403

    @pytest.mark.django_db(transaction=True)
    def test_without_a_record_there_is_neither_value_nor_edit(self, client, account):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE trail_entry RENAME TO elsewhere")
        try:
            answer = read(client, account)
            edit = client.patch(f"/accounts/{account.pk}/", {"iban": "FR11 1111"}, secure=True)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE elsewhere RENAME TO trail_entry")
        assert (answer.status_code, edit.status_code) == (500, 500)
        assert IBAN.encode() not in answer.content
        assert Account.objects.get().iban == IBAN


class TestTheChain:
    @pytest.fixture
    def entries(self, client, account):
        for _ in range(4):
            read(client, account)
        return list(Entry.objects.order_by("pk"))

    def test_it_holds(self, entries):
        assert first_broken() is None
        assert first_broken(anchor=entries[-1].mac) is None
        assert Head.objects.get().mac == entries[-1].mac

    @pytest.mark.parametrize("field", ["actor", "action", "endpoint", "target"])
    def test_an_edited_entry_is_found(self, entries, field):
        Entry.objects.filter(pk=entries[1].pk).update(**{field: "other"})
        assert first_broken() == entries[1].pk

    def test_a_removed_entry_is_found_at_the_next_one(self, entries):
        entries[1].delete()
        assert first_broken() == entries[2].pk

    def test_the_newest_ones_removed_are_found_only_with_an_anchor(self, entries):
        newest = entries[3].mac
        Entry.objects.filter(pk__in=[entries[2].pk, entries[3].pk]).delete()
        Head.objects.update(mac=entries[1].mac)
        assert first_broken() is None
        assert first_broken(anchor=newest) == "end"

    def test_after_a_purge_it_starts_at_the_last_purged_entry(self, entries):
        Entry.objects.filter(pk__in=[entries[0].pk, entries[1].pk]).delete()
        assert first_broken() == entries[2].pk
        assert first_broken(previous=entries[1].mac) is None

    def test_another_key_cannot_continue_it(self, entries, settings, client, account):
        ours = settings.TRAIL_KEY
        settings.TRAIL_KEY = secrets.token_bytes(32)
        read(client, account)
        settings.TRAIL_KEY = ours
        assert first_broken() == Entry.objects.latest("pk").pk

    @pytest.mark.django_db(transaction=True)
    def test_parallel_requests_continue_one_chain(self, officer, account):
        def work():
            client = APIClient()
            client.force_authenticate(officer)
            try:
                for _ in range(3):
                    read(client, account)
            finally:
                connection.close()

        threads = [Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert Entry.objects.count() == 9
        assert first_broken() is None


class TestTheWire:
    def test_plain_http_is_redirected_and_https_gets_hsts(self, client, account):
        plain = client.get(f"/accounts/{account.pk}/")
        assert (plain.status_code, plain["Location"]) == (301, f"https://testserver/accounts/{account.pk}/")
        assert read(client, account)["Strict-Transport-Security"] == "max-age=3600"

    def test_a_client_that_sends_the_proxys_header_passes_as_secure(self, client, account):
        response = client.get(f"/accounts/{account.pk}/", headers={"x-forwarded-proto": "https"})
        assert response.status_code == 200

    def test_behind_a_proxy_without_the_setting_the_redirect_loops(self, client, account, settings):
        settings.SECURE_PROXY_SSL_HEADER = None
        url = f"/accounts/{account.pk}/"
        response = client.get(url, headers={"x-forwarded-proto": "https"})
        assert (response.status_code, response["Location"]) == (301, f"https://testserver{url}")


class TestTheRegister:
    def test_a_review_that_is_overdue_fails_the_deploy_check(self):
        with time_machine.travel("2027-11-01"):
            assert checks.controls_are_reviewed(None) == []
        with time_machine.travel("2027-11-03"):
            assert len(checks.controls_are_reviewed(None)) == 2
            with pytest.raises(SystemCheckError, match="access-trail needs a review"):
                call_command("check", deploy=True)

    @pytest.mark.parametrize(
        ("options", "errors"), [({"sslmode": "verify-full"}, 0), ({"sslmode": "require"}, 1), ({}, 1)]
    )
    def test_the_database_connection_must_be_verified(self, settings, monkeypatch, options, errors):
        monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", options)
        assert len(checks.database_is_verified(None)) == errors


class TestMistakes:
    @pytest.mark.django_db(transaction=True)
    def test_recorded_after_the_commit_an_edit_may_stay_without_a_name(self, account, rf, officer):
        request = rf.patch("/")
        request.user = officer
        account.iban = "FR11 1111"
        account.save()  # committed
        with pytest.raises(AttributeError):
            record(request, "edit", f"account:{account.pk}")  # no route: it fails
        assert Account.objects.get().iban == "FR11 1111"
        assert not Entry.objects.exists()
