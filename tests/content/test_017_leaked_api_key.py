"""Scenario 17: a key leaks, is found by its prefix, replaced and searched for; then it is kept out of logs."""

import gzip
import io
import logging
import os
import secrets
import string
import subprocess
from datetime import timedelta

import pytest
import sentry_sdk
from config.redaction import OWN_KEY, RedactingFormatter
from django.core.management import call_command
from django.db import connection
from django.urls import path
from django.utils import timezone
from partners.models import Partner, PartnerKey
from rest_framework.test import APIClient
from sentry_sdk.integrations.logging import LoggingIntegration
from shop.views import OrderList

pytestmark = pytest.mark.django_db

PARTNER, THIEF = "203.0.113.9", "198.51.100.7"

# Only for the test with a line feed in the path.
urlpatterns = [path("any/<path:rest>", lambda request, rest: OrderList.as_view()(request))]


@pytest.fixture
def partner():
    return Partner.objects.create(name="ACME")


@pytest.fixture
def row_and_key(partner):
    return PartnerKey.objects.create_key(name="ACME", partner=partner)


@pytest.fixture
def row(row_and_key):
    return row_and_key[0]


@pytest.fixture
def key(row_and_key):
    return row_and_key[1]


@pytest.fixture
def written():
    """What the project's own handlers write."""
    stream = io.StringIO()
    (handler,) = [h for h in logging.getLogger().handlers if isinstance(h.formatter, RedactingFormatter)]
    before = handler.setStream(stream)
    yield stream.getvalue
    handler.setStream(before)


def call(key=None, *, address=PARTNER, url="/orders/"):
    headers = {"x-forwarded-for": address} | ({"x-api-key": key} if key else {})
    return APIClient().get(url, headers=headers).status_code


def rotate(prefix, **options):
    out = io.StringIO()
    call_command("rotate_key", prefix, stdout=out, **options)
    return out.getvalue().strip()


def script(name, *arguments, logs):
    """What a script of the answer prints, in words."""
    done = subprocess.run(
        ["bash", f"scripts/{name}", *arguments],
        env={**os.environ, "LOGS": str(logs), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


class TestRotation:
    def test_the_old_key_stops_with_the_next_request_and_the_new_one_works(self, row, key):
        assert call(key) == 200
        new = rotate(row.prefix)
        assert call(key) == 403
        assert call(new) == 200
        assert PartnerKey.objects.get(prefix=new[:8]).partner == row.partner

    def test_with_an_overlap_both_work_until_it_is_over(self, row, key):
        new = rotate(row.prefix, overlap_hours=24)
        assert (call(key), call(new)) == (200, 200)
        left = PartnerKey.objects.get(prefix=row.prefix).expiry_date - timezone.now()
        assert timedelta(hours=23) < left <= timedelta(hours=24)
        PartnerKey.objects.filter(prefix=row.prefix).update(expiry_date=timezone.now() - timedelta(seconds=1))
        assert (call(key), call(new)) == (403, 200)

    def test_an_overlap_never_prolongs_a_key(self, row, key):
        end = timezone.now() + timedelta(hours=1)
        PartnerKey.objects.filter(prefix=row.prefix).update(expiry_date=end)
        rotate(row.prefix, overlap_hours=24)
        assert PartnerKey.objects.get(prefix=row.prefix).expiry_date == end


class TestStorage:
    def test_no_column_holds_the_key_or_its_secret_part(self, row, key):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM partners_partnerkey")
            stored = " ".join(str(value) for value in cursor.fetchone())
        assert key not in stored
        assert key.partition(".")[2] not in stored
        assert "sha512$$" in stored

    def test_a_key_is_found_by_its_prefix_with_one_query(self, row, key, django_assert_num_queries):
        assert key.startswith(f"{row.prefix}.")
        with django_assert_num_queries(1):
            assert PartnerKey.objects.get_from_key(key) == row

    def test_the_prefix_alone_opens_nothing(self, row):
        assert call(row.prefix) == 403
        assert call(f"{row.prefix}.") == 403

    def test_the_key_has_the_form_that_the_patterns_look_for(self, key):
        assert OWN_KEY.fullmatch(key)


class TestTheSearch:
    def test_the_line_of_a_call_names_prefix_verdict_and_address_and_no_secret(self, row, key, written):
        call(key)
        call(key[:-1] + "!", address=THIEF)
        allowed, refused = (line for line in written().splitlines() if "partner key" in line)
        assert allowed.endswith(
            f"INFO partners.permissions partner key {row.prefix} allowed '/orders/' {PARTNER}"
        )
        assert f"WARNING partners.permissions partner key {row.prefix} refused '/orders/' {THIEF}" in refused
        assert key.partition(".")[2][:-1] not in written()

    def test_a_call_without_a_key_is_refused_and_logged(self, written):
        assert call() == 403
        assert "partner key - refused" in written()

    def test_a_line_feed_in_the_path_makes_no_second_line(self, key, written, settings):
        settings.ROOT_URLCONF = "test_017_leaked_api_key"
        call(key, url="/any/%0Apartner key forged")
        (line,) = [line for line in written().splitlines() if "partner key" in line]
        assert r"\n" in line

    def test_the_scripts_list_the_keys_in_a_log_and_the_addresses_that_used_one(
        self, row, key, partner, written, tmp_path
    ):
        other_row, other = PartnerKey.objects.create_key(name="Other", partner=partner)
        leaky = f"DEBUG headers X-Api-Key: {key}\nDEBUG headers {{'x-api-key': '{other}'}}\n"
        with gzip.open(tmp_path / "app.log.1.gz", "wt") as archive:
            archive.write(leaky)
        for address in (PARTNER, PARTNER, THIEF):
            call(key, address=address)
        call(other)
        (tmp_path / "app.log").write_text(written())
        assert script("leaked_prefixes.sh", logs=tmp_path) == sorted([row.prefix, other_row.prefix])
        assert script("who_used_key.sh", row.prefix, logs=tmp_path) == ["1", THIEF, "2", PARTNER]


def made_up(length):
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


class TestRedaction:
    @pytest.fixture
    def secret(self):
        return made_up(24)

    @pytest.fixture
    def own(self):
        return f"{made_up(8)}.{made_up(32)}"

    @pytest.mark.parametrize(
        "text",
        [
            "X-Api-Key: {}",
            "{{'HTTP_X_API_KEY': '{}', 'REMOTE_ADDR': '203.0.113.9'}}",
            '{{"authorization": "Bearer {}"}}',
            "Authorization: Bearer {}",
            "authorization=Token {}",
            "GET /orders/?page=2&api_key={}&x=1",
            '{{"password":"{}"}}',
            "client_secret={}",
        ],
    )
    def test_secrets_with_a_telling_name_disappear(self, written, secret, text):
        logging.getLogger("shop.debug").warning("%s", text.format(secret))
        assert "[redacted]" in written()
        assert secret not in written()

    def test_what_stands_beside_it_stays(self, written, secret):
        logging.getLogger("shop").warning("GET /orders/?page=2&api_key=%s&sort=id took 30 ms", secret)
        assert "/orders/?page=2&api_key=[redacted]&sort=id took 30 ms" in written()

    def test_an_own_key_disappears_wherever_it_stands(self, written, own):
        logging.getLogger("shop").warning("calling with %s now", own)
        assert "calling with [redacted] now" in written()

    def test_so_it_does_in_a_traceback(self, written, own):
        try:
            raise ValueError(own)
        except ValueError:
            logging.getLogger("shop").exception("failed")
        assert "Traceback" in written()
        assert own not in written()

    def test_an_error_of_django_is_redacted_and_written_once(self, written, own, client):
        client.raise_request_exception = False
        client.get(f"/missing/{own}/")
        assert written().count("Not Found") == 1
        assert own not in written()
        assert logging.getLogger("django").handlers == []


class Naive(logging.Filter):
    def filter(self, record):
        if isinstance(record.msg, str):
            record.msg = OWN_KEY.sub("[redacted]", record.msg)
        return True


class TestMistakes:
    @pytest.fixture
    def own(self):
        return f"{made_up(8)}.{made_up(32)}"

    @pytest.fixture
    def stream(self):
        """A logger `naive` whose handler has the naive filter; what it writes."""
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.addFilter(Naive())
        logger = logging.getLogger("naive")
        logger.addHandler(handler)
        yield stream
        logger.removeHandler(handler)

    def test_a_filter_on_the_message_lets_arguments_pass(self, stream, own):
        logging.getLogger("naive").warning(f"in the text: {own}")
        assert own not in stream.getvalue()
        logging.getLogger("naive").warning("as an argument: %s", own)
        assert own in stream.getvalue()

    def test_and_tracebacks(self, stream, own):
        try:
            raise ValueError(own)
        except ValueError:
            logging.getLogger("naive").exception("failed")
        assert own in stream.getvalue()

    def test_a_filter_on_a_logger_does_not_see_the_records_of_its_children(self, own):
        stream, parent = io.StringIO(), logging.getLogger("parent")
        handler, naive = logging.StreamHandler(stream), Naive()
        parent.addHandler(handler)
        parent.addFilter(naive)
        logging.getLogger("parent").warning(own)
        assert own not in stream.getvalue()
        logging.getLogger("parent.child").warning(own)
        assert own in stream.getvalue()
        parent.removeHandler(handler)

    def test_print_bypasses_logging(self, capsys, own):
        print({"HTTP_X_API_KEY": own})  # noqa: T201
        assert own in capsys.readouterr().out

    def test_an_error_tracker_takes_the_record_before_the_formatter(self, own):
        events = []
        sentry_sdk.init(
            dsn="https://public@sentry.example/1",
            default_integrations=False,
            integrations=[LoggingIntegration()],
            before_send=lambda event, hint: events.append(event),
        )
        logging.getLogger("shop").error("calling with %s now", own)
        sentry_sdk.init()
        assert own in str(events[0])

    def test_a_key_in_the_query_string_is_not_read(self, key):
        assert call(url=f"/orders/?api_key={key}") == 403
