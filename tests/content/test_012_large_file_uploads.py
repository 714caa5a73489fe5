"""Scenario 12: files go into an S3 that speaks HTTP (moto), and a process of its own works on them."""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
import tracemalloc
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import requests
from catalog.models import Product
from celery.signals import before_task_publish
from django.contrib.auth import get_user_model
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection, transaction
from imports.api import UploadViewSet
from imports.models import Upload
from imports.tasks import process_upload
from rest_framework.test import APIClient, force_authenticate

NEEDS = ("postgresql",)

MB = 1024**2
CSV = "sku,price\nA-1,9.50\nA-2,19.00\n".encode("utf-8-sig")


@pytest.fixture(scope="module", autouse=True)
def bucket():
    """The bucket of the settings, in a server of its own: its memory is not ours."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "change-me",
        "AWS_SECRET_ACCESS_KEY": "change-me",
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", url.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(url)
            bucket = storages["uploads"].bucket
            bucket.create(CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            yield bucket
        finally:
            server.terminate()


def wait_for(url, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing answers at {url}")


@pytest.fixture
def owner():
    return get_user_model().objects.create_user("ada")


@pytest.fixture
def client(owner):
    client = APIClient()
    client.force_authenticate(owner)
    return client


@pytest.fixture
def stranger():
    client = APIClient()
    client.force_authenticate(get_user_model().objects.create_user("eve"))
    return client


@pytest.fixture
def sent():
    """What was handed to the broker: the arguments of each message, when it was."""
    messages = []

    def note(body, **kwargs):
        messages.append(body[0][0])

    before_task_publish.connect(note)
    yield messages
    before_task_publish.disconnect(note)


def post(client, content=CSV):
    return client.post(
        "/uploads/", {"file": SimpleUploadedFile("../../evil.csv", content)}, format="multipart"
    )


def process_elsewhere(upload_id, tmp_path):
    """Run the task as a worker on another machine does: another process, directory and /tmp."""
    settings = connection.settings_dict
    url = f"postgresql://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    code = f"import django; django.setup(); from imports.tasks import process_upload as p; p('{upload_id}')"
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=tmp_path,
        env=os.environ
        | {"EXAMPLE_DATABASE_URL": url, "PYTHONPATH": str(Path.cwd()), "TMPDIR": str(tmp_path)},
    )


class LargeFile(io.RawIOBase):
    """A multipart body that is made while it is read, so that nobody holds it but who wants to."""

    def __init__(self, size):
        head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'
        self.parts = [head, size, b"\r\n--edge--\r\n"]
        self.length = len(head) + size + len(self.parts[2])

    def readable(self):
        return True

    def read(self, size=-1):
        while self.parts:
            part = self.parts[0]
            if isinstance(part, int):
                take = min(part, size)
                self.parts[0] -= take
                if take:
                    return b"x" * take
            elif part:
                self.parts[0] = part[size:]
                return part[:size]
            self.parts.pop(0)
        return b""


def large_request(size, owner):
    body = LargeFile(size)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/uploads/",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": "multipart/form-data; boundary=edge",
            "CONTENT_LENGTH": str(body.length),
            "wsgi.input": body,
        }
    )
    force_authenticate(request, owner)
    return request


@contextmanager
def peak():
    tracemalloc.start()
    result = {}
    try:
        yield result
        result["size"] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.django_db(transaction=True)
class TestIntake:
    def test_the_answer_is_202_with_the_address_of_the_status(self, client, sent):
        response = post(client)
        assert response.status_code == 202
        body = response.json()
        assert response.headers["Location"] == body["url"]
        assert set(body) == {"url", "id", "status", "rows_done"}
        assert (body["status"], body["rows_done"]) == ("queued", 0)
        assert client.get(body["url"]).json() == body
        assert sent == [body["id"]]

    def test_nothing_is_processed_within_the_request(self, client):
        post(client)
        assert not Product.objects.exists()

    def test_the_key_is_ours_and_not_the_clients_name(self, client, bucket):
        upload = Upload.objects.get(pk=post(client).json()["id"])
        assert upload.file.name == f"uploads/{upload.pk}"
        assert bucket.Object(upload.file.name).get()["Body"].read() == CSV

    def test_a_worker_elsewhere_finds_the_file_and_reports_progress(self, client, tmp_path):
        status = post(client).json()["url"]
        process_elsewhere(status.rstrip("/").rpartition("/")[2], tmp_path)
        assert (client.get(status).json()["status"], client.get(status).json()["rows_done"]) == ("done", 2)
        assert set(Product.objects.values_list("sku", flat=True)) == {"A-1", "A-2"}

    def test_a_stranger_gets_404_for_every_address_of_it(self, client, stranger):
        url = post(client).json()["url"]
        assert stranger.get(url).status_code == 404
        assert stranger.post(f"{url}complete/").status_code == 404
        assert APIClient().get(url).status_code in (401, 403)
        assert APIClient().post("/uploads/direct/").status_code in (401, 403)

    def test_the_message_leaves_after_the_commit(self, owner, sent):
        with transaction.atomic():
            upload = Upload.objects.create(owner=owner)
            process_upload.delay_on_commit(str(upload.pk))
            assert sent == []
        assert sent == [str(upload.pk)]

    def test_a_plain_delay_sends_it_while_nobody_else_sees_the_row(self, owner, sent):
        given = connection.settings_dict
        with transaction.atomic():
            upload = Upload.objects.create(owner=owner)
            process_upload.delay(str(upload.pk))
            assert sent == [str(upload.pk)]
            with psycopg.connect(
                dbname=given["NAME"], user=given["USER"], host=given["HOST"], port=given["PORT"]
            ) as worker:
                rows = worker.execute("SELECT 1 FROM imports_upload WHERE id = %s", [upload.pk]).fetchall()
        assert rows == []


@pytest.mark.django_db(transaction=True)
class TestPastDjango:
    def send(self, form, content):
        return requests.post(
            form["url"], data=form["fields"], files={"file": ("big.csv", content)}, timeout=10
        )

    def test_the_client_sends_the_file_to_the_bucket_and_says_so(self, client, sent, tmp_path):
        response = client.post("/uploads/direct/")
        assert response.status_code == 201
        body = response.json()
        assert body["status"] == "waiting"
        assert self.send(body["form"], CSV).status_code in (200, 204)
        response = client.post(f"{body['url']}complete/")
        assert response.status_code == 202
        assert response.headers["Location"] == body["url"]
        assert response.json()["status"] == "queued"
        assert sent == [body["id"]]
        process_elsewhere(body["id"], tmp_path)
        assert client.get(body["url"]).json()["rows_done"] == 2

    def test_complete_before_the_file_has_arrived_is_an_error(self, client, sent):
        url = client.post("/uploads/direct/").json()["url"]
        response = client.post(f"{url}complete/")
        assert response.status_code == 400
        assert response.json() == {"file": ["Nothing has arrived."]}
        assert sent == []

    def test_saying_it_twice_enqueues_once(self, client, sent):
        body = client.post("/uploads/direct/").json()
        self.send(body["form"], CSV)
        assert [client.post(f"{body['url']}complete/").status_code for _ in range(2)] == [202, 202]
        assert len(sent) == 1

    def test_until_the_form_expires_the_client_may_replace_what_it_has_sent(self, client, bucket):
        body = client.post("/uploads/direct/").json()
        for content in (CSV, b"something else"):
            self.send(body["form"], content)
            client.post(f"{body['url']}complete/")
        assert bucket.Object(f"uploads/{body['id']}").get()["Body"].read() == b"something else"

    def test_the_policy_fixes_key_size_and_expiry(self, client):
        body = client.post("/uploads/direct/").json()
        policy = json.loads(base64.b64decode(body["form"]["fields"]["policy"]))
        assert ["content-length-range", 1, 5 * 1024**3] in policy["conditions"]
        assert {"bucket": "example-uploads"} in policy["conditions"]
        assert {"key": f"uploads/{body['id']}"} in policy["conditions"]
        expires = time.mktime(time.strptime(policy["expiration"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        assert 800 < expires - time.time() <= 900


@pytest.mark.django_db(transaction=True)
class TestMemory:
    SIZE = 40 * MB

    def test_a_large_upload_never_sits_in_memory(self, owner, bucket):
        view = UploadViewSet.as_view({"post": "create"})
        with peak() as used:
            request = large_request(self.SIZE, owner)
            response = view(request)
        request.close()
        assert response.status_code == 202
        assert bucket.Object(f"uploads/{response.data['id']}").content_length == self.SIZE
        assert used["size"] < self.SIZE / 2

    def test_the_naive_read_holds_all_of_it(self, owner):
        with peak() as used:
            request = large_request(self.SIZE, owner)
            request.FILES["file"].read()
        request.close()
        assert used["size"] > self.SIZE

    def test_threads_hold_several_parts_while_storing(self, owner, monkeypatch):
        storage = storages["uploads"]
        size = {}
        for threads in (False, True):
            monkeypatch.setattr(
                storage, "transfer_config", type(storage.transfer_config)(use_threads=threads)
            )
            with TemporaryUploadedFile("big", "text/csv", self.SIZE, None) as file:
                file.truncate(self.SIZE)
                with peak() as used:
                    storage.save("threads", file)
            size[threads] = used["size"]
        assert size[True] > 2 * size[False]

    def test_the_worker_reads_from_a_temporary_file_and_by_default_it_would_not(self, bucket, monkeypatch):
        storage = storages["uploads"]
        with TemporaryUploadedFile("big", "text/csv", self.SIZE, None) as file:
            file.truncate(self.SIZE)
            name = storage.save("worker", file)

        def read():
            with peak() as used, storage.open(name) as stored:
                for _ in stored.chunks():
                    pass
            return used["size"]

        ours = read()
        monkeypatch.setattr(storage, "max_memory_size", storage.get_default_settings()["max_memory_size"])
        assert ours < self.SIZE / 2
        assert read() > self.SIZE

    def test_django_spools_files_over_two_and_a_half_megabytes(self, owner, settings):
        assert settings.FILE_UPLOAD_MAX_MEMORY_SIZE == 2.5 * MB
        request = large_request(3 * MB, owner)
        assert Path(request.FILES["file"].temporary_file_path()).stat().st_size == 3 * MB
        request.close()

    def test_no_setting_of_django_limits_the_size_of_files(self, owner, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1 * MB
        request = large_request(3 * MB, owner)
        assert request.FILES["file"].size == 3 * MB
        request.close()

    def test_base64_in_json_is_parsed_in_memory_whatever_its_size(self, client):
        body = json.dumps({"file": base64.b64encode(b"x" * 8 * MB).decode()})
        with peak() as used:
            response = client.post("/uploads/", body, content_type="application/json")
        assert response.status_code == 400  # only the field says no: the body had been read by then
        assert used["size"] > 8 * MB


@pytest.mark.django_db(transaction=True)
class TestTheTask:
    def queued(self, client, content):
        return Upload.objects.get(pk=post(client, content).json()["id"])

    def test_it_works_in_batches_and_takes_the_last_of_equal_keys(self, client):
        lines = [f"S-{number},1.00" for number in range(2500)] + ["S-2499,2.00"]
        upload = self.queued(client, ("sku,price\n" + "\n".join(lines)).encode())
        process_upload(str(upload.pk))
        upload.refresh_from_db()
        assert (upload.status, upload.rows_done) == ("done", 2501)
        assert Product.objects.count() == 2500
        assert Product.objects.get(sku="S-2499").price == 2

    def test_a_message_delivered_twice_is_processed_once(self, client):
        upload = self.queued(client, CSV)
        process_upload(str(upload.pk))
        process_upload(str(upload.pk))
        upload.refresh_from_db()
        assert upload.rows_done == 2

    def test_the_same_file_again_does_no_harm(self, client):
        for _ in range(2):
            process_upload(str(self.queued(client, CSV).pk))
        assert Product.objects.count() == 2

    def test_a_broken_file_ends_as_failed_and_the_error_reaches_celery(self, client):
        upload = self.queued(client, b"\xff\xfe\x00not a csv")
        with pytest.raises(UnicodeDecodeError):
            process_upload(str(upload.pk))
        upload.refresh_from_db()
        assert upload.status == "failed"

    def test_the_path_of_the_temporary_file_is_gone_when_the_request_has_ended(self, owner):
        request = large_request(3 * MB, owner)
        path = Path(request.FILES["file"].temporary_file_path())
        assert path.exists()
        request.close()
        with pytest.raises(FileNotFoundError):
            path.open()
