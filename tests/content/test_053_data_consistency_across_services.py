"""Scenario 53: an address changes while brokers vanish, processes die and events come twice and late."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from accounts.management.commands.relay_outbox import relay
from accounts.models import Account, OutboxEvent
from accounts.services import announce_all, change_account
from billing import consumer as billing
from billing.models import Customer
from billing.tests import event
from django.db import connection, transaction
from django.db.models.signals import post_save

NEEDS = ("postgresql", "redis")
SOON = 20

pytestmark = pytest.mark.django_db


class Died(Exception):
    """The process ends at this point."""


@pytest.fixture
def broker(settings):
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        client.flushall()
        client.xgroup_create("accounts", "billing", id="0", mkstream=True)
        yield client


@pytest.fixture
def broken():
    with redis.Redis(port=1, retry=None) as client:
        yield client


@pytest.fixture
def account():
    return Account.objects.create(email="old@example.com")


def sent(broker):
    return [json.loads(fields["event"]) for _, fields in broker.xrange("accounts")]


def consume(broker):
    billing.consume(broker, "billing-1")


def in_thread(function, *args):
    """On a database connection of its own."""

    def run():
        try:
            return function(*args)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(SOON)


class TestTheChangeAndItsEvent:
    def test_are_written_together(self, account):
        change_account(account.pk, email="new@example.com")
        account.refresh_from_db()
        assert (account.email, account.version) == ("new@example.com", 2)
        assert OutboxEvent.objects.get().body == {
            "account_id": account.pk,
            "email": "new@example.com",
            "closed": False,
            "version": 2,
        }

    def test_neither_is_there_if_the_outbox_cannot_be_written(self, account, monkeypatch):
        def full(**kwargs):
            raise Died

        monkeypatch.setattr(OutboxEvent.objects, "create", full)
        with pytest.raises(Died):
            change_account(account.pk, email="new@example.com")
        account.refresh_from_db()
        assert (account.email, account.version) == ("old@example.com", 1)
        assert not OutboxEvent.objects.exists()

    def test_neither_is_there_if_the_request_fails_afterwards(self, account):
        @transaction.atomic
        def view():
            change_account(account.pk, email="new@example.com")
            raise Died

        with pytest.raises(Died):
            view()
        account.refresh_from_db()
        assert account.email == "old@example.com"
        assert not OutboxEvent.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_concurrent_changes_get_versions_of_their_own(self, account):
        addresses = [f"{n}@example.com" for n in range(6)]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda email: in_thread(change, account.pk, email), addresses))
        versions = [e.body["version"] for e in OutboxEvent.objects.order_by("body__version")]
        assert versions == [2, 3, 4, 5, 6, 7]


def change(pk, email):
    change_account(pk, email=email)


class TestTheRelay:
    def test_sends_each_event_once_and_marks_it(self, account, broker):
        change_account(account.pk, email="a@example.com")
        change_account(account.pk, email="b@example.com")
        assert (relay(broker), relay(broker)) == (2, 0)
        assert [e["version"] for e in sent(broker)] == [2, 3]
        assert not OutboxEvent.objects.filter(sent_at=None).exists()

    def test_keeps_what_it_cannot_send(self, account, broker, broken):
        change_account(account.pk, email="a@example.com")
        with pytest.raises(redis.ConnectionError):
            relay(broken)
        assert relay(broker) == 1
        assert len(sent(broker)) == 1

    def test_that_dies_after_sending_sends_again_and_the_copy_is_none_the_wiser(self, account, broker):
        change_account(account.pk, email="a@example.com")

        class Dying:
            def xadd(self, *args, **kwargs):
                broker.xadd(*args, **kwargs)
                raise Died

        with pytest.raises(Died):
            relay(Dying())
        assert relay(broker) == 1
        first, second = sent(broker)
        assert first == second
        consume(broker)
        customer = Customer.objects.get()
        assert (customer.email, customer.notices_due) == ("a@example.com", 1)

    @pytest.mark.django_db(transaction=True)
    def test_leaves_the_rows_of_another_one_alone(self, account, broker):
        change_account(account.pk, email="a@example.com")
        others = []

        class Slow:
            def xadd(self, *args, **kwargs):
                others.append(in_thread(relay, broker))  # while the first one still holds its rows
                broker.xadd(*args, **kwargs)

        assert relay(Slow()) == 1
        assert others == [0]
        assert len(sent(broker)) == 1

    @pytest.mark.django_db(transaction=True)
    def test_runs_as_a_command(self, account, broker):
        database = connection.settings_dict["NAME"]
        url = os.environ["EXAMPLE_DATABASE_URL"].rpartition("/")[0] + f"/{database}"
        running = subprocess.Popen(
            [sys.executable, "manage.py", "relay_outbox"], env=os.environ | {"EXAMPLE_DATABASE_URL": url}
        )
        with running:
            try:
                change_account(account.pk, email="a@example.com")
                deadline = time.monotonic() + SOON
                while not sent(broker) and time.monotonic() < deadline:
                    time.sleep(0.05)
            finally:
                running.terminate()
        assert [e["email"] for e in sent(broker)] == ["a@example.com"]

    def test_uses_the_partial_index(self, account):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "outbox_unsent" in OutboxEvent.objects.filter(sent_at=None).order_by("id")[:100].explain()


class TestTheConsumer:
    def test_makes_the_copy_and_keeps_it_up_to_date(self, account, broker):
        for email in ("a@example.com", "b@example.com"):
            change_account(account.pk, email=email)
            relay(broker)
            consume(broker)
            assert Customer.objects.get(account_id=account.pk).email == email
        assert broker.xpending("accounts", "billing")["pending"] == 0

    def test_that_was_down_catches_up(self, account, broker):
        for email in ("a@example.com", "b@example.com", "c@example.com"):
            change_account(account.pk, email=email)
            relay(broker)
        consume(broker)
        assert Customer.objects.get().email == "c@example.com"

    def test_that_dies_before_the_acknowledgement_repeats_the_event_to_no_effect(
        self, account, broker, monkeypatch
    ):
        change_account(account.pk, email="a@example.com")
        relay(broker)

        def die(*args):
            raise Died

        with monkeypatch.context() as patched:
            patched.setattr(broker, "xack", die)
            with pytest.raises(Died):
                consume(broker)
        assert broker.xpending("accounts", "billing")["pending"] == 1
        consume(broker)
        assert broker.xpending("accounts", "billing")["pending"] == 0
        assert Customer.objects.get().notices_due == 1

    @pytest.mark.django_db(transaction=True)
    def test_copies_of_one_event_at_the_same_moment_count_once(self):
        received = event(2, "a@example.com")
        together = threading.Barrier(4)

        def take(_):
            together.wait(SOON)
            in_thread(billing.apply, received)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(take, range(4)))
        customer = Customer.objects.get()
        assert (customer.email, customer.notices_due) == ("a@example.com", 1)


class TestReconciling:
    def test_fills_a_new_service(self, account, broker):
        Account.objects.create(email="second@example.com")
        announce_all()
        relay(broker)
        consume(broker)
        assert set(Customer.objects.values_list("email", flat=True)) == {
            "old@example.com",
            "second@example.com",
        }

    def test_repairs_a_copy_edited_by_hand(self, account, broker):
        announce_all()
        relay(broker)
        consume(broker)
        Customer.objects.update(email="wrong@example.com")
        announce_all()
        relay(broker)
        consume(broker)
        customer = Customer.objects.get()
        assert (customer.email, customer.notices_due) == ("old@example.com", 1)

    def test_a_snapshot_that_comes_late_does_not_undo_a_newer_change(self, account, broker):
        announce_all()
        change_account(account.pk, email="new@example.com")
        relay(broker)
        snapshot, newer = sent(broker)
        billing.apply(newer)
        billing.apply(snapshot)
        assert Customer.objects.get().email == "new@example.com"


class TestMistakes:
    def test_publishing_in_post_save_announces_what_is_rolled_back(self, account, broker):
        def publish(instance, **kwargs):
            broker.xadd("accounts", {"event": json.dumps({"email": instance.email})})

        @transaction.atomic
        def view():
            account.email = "never@example.com"
            account.save()
            raise Died

        post_save.connect(publish, sender=Account)
        try:
            with pytest.raises(Died):
                view()
        finally:
            post_save.disconnect(publish, sender=Account)
        account.refresh_from_db()
        assert account.email == "old@example.com"
        assert sent(broker) == [{"email": "never@example.com"}]

    @pytest.mark.django_db(transaction=True)
    def test_publishing_in_on_commit_loses_the_event_of_a_saved_row(self, account, broken):
        @transaction.atomic
        def view():
            Account.objects.filter(pk=account.pk).update(email="new@example.com")
            transaction.on_commit(lambda: broken.xadd("accounts", {"event": "{}"}))

        with pytest.raises(redis.ConnectionError):
            view()
        account.refresh_from_db()
        assert account.email == "new@example.com"

    def test_update_leaves_no_event(self, account):
        Account.objects.filter(pk=account.pk).update(email="new@example.com")
        account.save()
        assert not OutboxEvent.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_polling_by_the_last_id_never_sees_a_row_that_commits_late(self):
        wrote, may_commit = threading.Event(), threading.Event()

        def slow():
            with transaction.atomic():
                OutboxEvent.objects.create(body={"which": "slow"})
                wrote.set()
                may_commit.wait(SOON)

        def seen_after(last):
            return list(OutboxEvent.objects.filter(pk__gt=last).order_by("pk"))

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(in_thread, slow)
            assert wrote.wait(SOON)
            OutboxEvent.objects.create(body={"which": "fast"})
            (fast,) = seen_after(0)
            may_commit.set()
            running.result(SOON)
        assert seen_after(fast.pk) == []
        assert [e.body["which"] for e in OutboxEvent.objects.filter(sent_at=None).order_by("pk")] == [
            "slow",
            "fast",
        ]

    def test_without_versions_a_straggler_wins(self):
        for received in (event(3, "new@example.com"), event(2, "old@example.com")):
            Customer.objects.update_or_create(
                account_id=received["account_id"], defaults={"email": received["email"]}
            )
        assert Customer.objects.get().email == "old@example.com"

    def test_a_deleted_copy_is_back_with_the_next_straggler(self):
        billing.apply(event(2, "a@example.com"))
        Customer.objects.filter(account_id=7).delete()
        billing.apply(event(1, "a@example.com"))
        assert Customer.objects.get().email == "a@example.com"

    def test_an_emptied_copy_stays_empty(self):
        billing.apply(event(2, "a@example.com"))
        billing.apply(event(3, "") | {"closed": True})
        billing.apply(event(2, "a@example.com"))
        customer = Customer.objects.get()
        assert (customer.email, customer.closed) == ("", True)

    def test_acknowledging_first_loses_the_event_in_a_crash(self, account, broker):
        change_account(account.pk, email="a@example.com")
        relay(broker)
        ((_, ((message_id, _),)),) = broker.xreadgroup("billing", "billing-1", {"accounts": ">"})
        broker.xack("accounts", "billing", message_id)  # and here the process dies
        consume(broker)
        assert not Customer.objects.exists()
