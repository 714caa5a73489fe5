"""Scenario 84: a report is ordered, written by the task into an S3 (moto), and fetched by its owner only."""

import csv
import tracemalloc
from datetime import date, timedelta

import pytest
import requests
from celery import Celery
from celery.signals import before_task_publish
from django.contrib.auth import get_user_model
from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.utils import timezone
from moto import mock_aws
from reports.models import Report
from reports.tasks import as_text, build_report, clean_up_reports
from rest_framework.test import APIClient
from shop.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def bucket():
    with mock_aws():
        bucket = storages["reports"].bucket
        bucket.create(CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield bucket


def user_and_client(name):
    user = get_user_model().objects.create_user(name)
    client = APIClient()
    client.force_authenticate(user)
    return user, client


@pytest.fixture
def ann():
    return user_and_client("ann")


@pytest.fixture
def sent():
    """The arguments of each message that was handed to the broker."""
    messages = []

    def note(body, **kwargs):
        messages.append(body[0][0])

    before_task_publish.connect(note)
    yield messages
    before_task_publish.disconnect(note)


@pytest.fixture
def report(ann):
    user, _ = ann
    other = get_user_model().objects.create_user("bob")
    day = date(2026, 5, 1)
    Order.objects.bulk_create(
        [
            Order(seller=user, number="A-1", customer="=1+1", total="-9.50", placed=day),
            Order(seller=user, number="A-2", customer='Zoë, "Z"', total=3, placed=day),
            Order(seller=user, number="A-3", customer="last year", total=3, placed=date(2025, 5, 1)),
            Order(seller=other, number="B-1", customer="secret", total=3, placed=day),
        ]
    )
    return Report.objects.create(owner=user, year=2026)


def test_the_order_is_answered_at_once_and_enqueued_on_commit(ann, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = ann[1].post("/reports/", {"year": 2026})
        assert sent == []
    report = Report.objects.get()
    assert response.status_code == 202
    assert response.headers["Location"] == f"http://testserver/reports/{report.pk}/"
    assert response.headers["Retry-After"] == "5"
    assert response.json() == {
        "url": response.headers["Location"],
        "year": 2026,
        "status": "queued",
        "download": None,
    }
    assert sent == [str(report.pk)]


def test_delay_inside_the_transaction_sends_before_the_row_is_there(report, sent):
    with transaction.atomic():
        build_report.delay(str(report.pk))
        assert sent == [str(report.pk)]


def test_ten_clicks_are_one_job(ann, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        urls = {ann[1].post("/reports/", {"year": 2026}).json()["url"] for _ in range(10)}
    assert len(urls) == len(sent) == 1


def test_the_database_refuses_a_second_open_report_but_not_one_after_the_first_is_done(ann):
    Report.objects.create(owner=ann[0], year=2026)
    with pytest.raises(IntegrityError), transaction.atomic():
        Report.objects.create(owner=ann[0], year=2026)
    Report.objects.update(status="done")
    Report.objects.create(owner=ann[0], year=2026)


def test_the_owner_downloads_what_the_task_wrote(ann, report):
    build_report(str(report.pk))
    body = ann[1].get(f"/reports/{report.pk}/").json()
    assert body["status"] == "done"
    assert "X-Amz-Expires=300" in body["download"]
    answer = requests.get(body["download"], timeout=5)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="orders-2026.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(answer.content.decode("utf-8-sig").splitlines()))
    assert rows == [
        ["number", "customer", "total"],
        ["A-1", "'=1+1", "-9.50"],
        ["A-2", 'Zoë, "Z"', "3.00"],
    ]


def test_a_stranger_and_an_anonymous_learn_nothing(report):
    build_report(str(report.pk))
    assert user_and_client("eve")[1].get(f"/reports/{report.pk}/").status_code == 404
    assert APIClient().get(f"/reports/{report.pk}/").status_code in (401, 403)


def test_an_invalid_year_is_a_400(ann):
    assert ann[1].post("/reports/", {"year": 1}).status_code == 400
    assert not Report.objects.exists()


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"],
)
def test_a_formula_becomes_text(text):
    assert as_text(text) == f"'{text}"


def test_other_text_and_numbers_stay():
    assert [as_text(value) for value in ("a=b", "", -3, None)] == ["a=b", "", -3, None]


def test_quoting_alone_leaves_the_formula(tmp_path):
    file = tmp_path / "naive.csv"
    with file.open("w", newline="") as text:
        csv.writer(text, quoting=csv.QUOTE_ALL).writerow(["=1+1"])
    assert next(csv.reader([file.read_text()])) == ["=1+1"]  # what a spreadsheet reads


def test_a_message_delivered_twice_writes_once(report, bucket):
    build_report(str(report.pk))
    Order.objects.all().delete()
    written = {item.key: item.last_modified for item in bucket.objects.all()}
    build_report(str(report.pk))
    assert {item.key: item.last_modified for item in bucket.objects.all()} == written


def test_a_failure_is_told_to_the_client(ann, report, settings):
    missing = storages.create_storage(
        {**settings.STORAGES["reports"], "OPTIONS": {"bucket_name": "gone", "region_name": "eu-central-1"}}
    )
    field = Report._meta.get_field("file")
    right, field.storage = field.storage, missing
    try:
        with pytest.raises(Exception, match="NoSuchBucket"):
            build_report(str(report.pk))
    finally:
        field.storage = right
    assert ann[1].get(f"/reports/{report.pk}/").json()["status"] == "failed"


def test_the_clean_up_removes_row_and_object_and_frees_what_is_stuck(ann, report, bucket):
    build_report(str(report.pk))
    Report.objects.update(created=timezone.now() - timedelta(days=8))
    stuck = Report.objects.create(owner=ann[0], year=2026, status="running")
    Report.objects.filter(pk=stuck.pk).update(created=timezone.now() - timedelta(hours=3))
    young = Report.objects.create(owner=ann[0], year=2025, status="running")
    clean_up_reports()
    assert f"reports/{report.pk}.csv" not in {item.key for item in bucket.objects.all()}
    assert dict(Report.objects.values_list("pk", "status")) == {stuck.pk: "failed", young.pk: "running"}


def test_deleting_the_row_alone_leaves_the_object(report, bucket):
    build_report(str(report.pk))
    key = Report.objects.get().file.name
    Report.objects.all().delete()
    assert key in {item.key for item in bucket.objects.all()}


def test_celery_calls_an_id_that_never_existed_pending():
    assert Celery(backend="cache+memory://").AsyncResult("no-such-id").status == "PENDING"


def test_without_iterator_every_row_stays_in_memory(ann):
    day = date(2026, 5, 1)
    Order.objects.bulk_create(
        [Order(seller=ann[0], number=str(n), customer="x" * 50, total=1, placed=day) for n in range(8000)],
        batch_size=500,
    )

    def peak(rows):
        tracemalloc.start()
        for _ in rows:
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    rows = Order.objects.values_list("number", "customer", "total")
    assert peak(rows.iterator(chunk_size=500)) * 3 < peak(rows.all())
