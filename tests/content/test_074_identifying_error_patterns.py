"""Scenario 74: what counts as the same error, what is written of it, and which errors are new."""

import io
import json
import logging

import pytest
import sentry_sdk
from config.compare_releases import compare
from config.errors import ErrorFormatter, group_by_origin, signature
from django.test import Client

PRICE = "LookupError shop/views.py:price"


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture
def written(monkeypatch):
    monkeypatch.setenv("RELEASE", "3.2")
    (handler,) = logging.getLogger("django.request").handlers
    stream = io.StringIO()
    monkeypatch.setattr(handler, "stream", stream)
    assert isinstance(handler.formatter, ErrorFormatter)
    return stream


def records(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class TestTheRecord:
    def test_two_orders_are_one_signature_with_the_release_and_the_route(self, client, written):
        client.get("/orders/A-17/")
        client.get("/orders/B-18/")
        found = {(r["release"], r["route"], r["signature"]) for r in records(written)}
        assert found == {("3.2", "orders/<str:name>/", PRICE)}
        assert len(records(written)) == 2

    def test_neither_the_message_nor_the_path_is_written(self, client, written):
        client.get("/orders/ada@shop.example/")
        assert len(records(written)) == 1
        assert "ada" not in written.getvalue()

    def test_a_record_without_an_exception_is_written_too(self):
        record = logging.makeLogRecord({"msg": "Service Unavailable", "levelno": logging.ERROR})
        line = json.loads(ErrorFormatter().format(record))
        assert (line["signature"], line["route"]) == ("no exception", None)


class TestTheSignature:
    def test_the_deepest_frame_of_ours_counts_not_the_librarys(self, client, written):
        try:
            json.loads("{")
        except ValueError as error:
            found = signature(error)
        assert found.startswith("JSONDecodeError test_074_identifying_error_patterns.py:test_the_deepest")

    def test_an_error_without_a_frame_of_ours_has_one_too(self):
        assert signature(ValueError("never raised")) == "ValueError elsewhere"

    def test_another_class_in_the_same_function_is_another_group(self):
        assert signature(ValueError()) != signature(KeyError())


class Envelopes(sentry_sdk.transport.Transport):
    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        self.events += [item.get_event() for item in envelope.items if item.get_event()]


class TestSentry:
    @pytest.fixture
    def events(self):
        """The options of the settings, with a transport that keeps what would be sent."""
        before = sentry_sdk.get_client()
        transport = Envelopes()
        options = {
            name: before.options[name]
            for name in (
                "environment",
                "max_request_body_size",
                "include_local_variables",
                "before_send",
            )
        }
        client = sentry_sdk.Client(
            dsn="https://public@sentry.example/1", release="3.2", transport=transport, **options
        )
        sentry_sdk.get_global_scope().set_client(client)
        yield transport.events
        sentry_sdk.get_global_scope().set_client(before)

    def crash(self, customer):
        try:
            raise LookupError(f"no price for {customer}")
        except LookupError as error:
            sentry_sdk.capture_exception(error)

    def test_events_have_release_environment_and_one_fingerprint(self, events):
        self.crash("A-17")
        self.crash("B-18")
        assert [(e["release"], e["environment"]) for e in events] == [("3.2", "local")] * 2
        assert events[0]["fingerprint"] == events[1]["fingerprint"]
        assert events[0]["fingerprint"] == ["LookupError test_074_identifying_error_patterns.py:crash"]

    def test_local_variables_stay_at_home(self, events):
        self.crash("A-17")
        frames = events[0]["exception"]["values"][0]["stacktrace"]["frames"]
        assert frames
        assert all("vars" not in frame for frame in frames)

    def test_a_message_without_an_exception_keeps_sentrys_own_grouping(self):
        assert group_by_origin({"message": "hello"}, {}) == {"message": "hello"}


def line(release, name):
    return json.dumps({"release": release, "signature": name})


class TestTheComparison:
    def test_new_groups_come_first_then_the_most_frequent(self):
        lines = [line("3.1", "old")] * 4 + [line("3.2", "old")] * 9 + [line("3.2", "rare")] * 2
        lines += [line("3.2", "new")] * 3 + [line("3.0", "ancient")]
        assert compare(lines, "3.1", "3.2") == [("new", 0, 3), ("rare", 0, 2), ("old", 4, 9)]


class TestMistakes:
    def test_the_message_as_the_key_makes_a_group_per_order(self, client, caplog):
        client.get("/orders/A-17/")
        client.get("/orders/B-18/")
        errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
        assert len({str(error) for error in errors}) == 2
        assert len({signature(error) for error in errors}) == 1

    def test_two_views_that_share_a_helper_share_its_group(self, client, written):
        client.get("/orders/A-17/")
        client.get("/invoices/")
        assert {record["signature"] for record in records(written)} == {PRICE}
        assert len({record["route"] for record in records(written)}) == 2
