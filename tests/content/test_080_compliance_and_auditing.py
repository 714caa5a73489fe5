"""Scenario 80: the trail sees bulk updates, raw SQL and reads, and nobody in the application can change it."""

import io
import logging
from pathlib import Path

import pytest
from audit.masking import MaskingFormatter
from audit.models import Event
from clinic.models import Patient
from clinic.views import PatientViewSet
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.db.models.signals import post_save
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.test import APIClient

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db

CARD = "4111" + "1" * 12  # the test number that everybody uses


@pytest.fixture
def doctor():
    user = User.objects.create_user("doctor")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="clinic"))
    return user


@pytest.fixture
def client(doctor):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(doctor)
    return client


@pytest.fixture
def patients():
    Patient.objects.bulk_create(Patient(name=name, diagnosis="gout") for name in ("Ada", "Bob"))
    Event.objects.all().delete()
    return list(Patient.objects.order_by("pk"))


def trail(*fields):
    return list(Event.objects.order_by("pk").values_list(*fields))


class TestChanges:
    def test_a_bulk_update_is_recorded_row_by_row_though_no_signal_is_sent(self, patients):
        signals = []

        def listen(**kwargs):
            signals.append(kwargs)

        post_save.connect(listen, sender=Patient)
        try:
            Patient.objects.update(diagnosis="flu")
            Patient.objects.bulk_update([Patient(pk=patients[0].pk, name="Eve")], ["name"])
        finally:
            post_save.disconnect(listen, sender=Patient)
        assert signals == []
        ada, bob = (str(patient.pk) for patient in patients)
        assert sorted(trail("action", "row_id", "columns")) == sorted(
            [("UPDATE", ada, ["diagnosis"]), ("UPDATE", bob, ["diagnosis"]), ("UPDATE", ada, ["name"])]
        )

    def test_raw_sql_is_recorded_with_the_role_of_the_database(self, patients):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM clinic_patient WHERE id = %s", [patients[0].pk])
            cursor.execute("SELECT session_user")
            role = cursor.fetchone()[0]
        assert trail("action", "row_id", "actor", "db_role") == [("DELETE", str(patients[0].pk), "", role)]

    def test_a_change_by_the_api_names_the_user_and_the_column_but_no_value(self, client, doctor, patients):
        url = f"/patients/{patients[0].pk}/"
        assert client.patch(url, {"diagnosis": "confidential"}).status_code == 200
        assert trail("actor", "action", "columns") == [(f"user:{doctor.pk}", "UPDATE", ["diagnosis"])]
        assert "confidential" not in str(Event.objects.values())

    def test_an_insert_names_all_columns(self, client, doctor):
        assert client.post("/patients/", {"name": "Cem"}).status_code == 201
        actor = f"user:{doctor.pk}"
        assert trail("actor", "action", "columns") == [(actor, "INSERT", ["diagnosis", "id", "name"])]

    def test_what_is_rolled_back_leaves_no_trace(self, patients):
        with transaction.atomic():
            Patient.objects.update(diagnosis="flu")
            transaction.set_rollback(True)
        assert trail() == []

    def test_the_migration_by_hand_is_the_one_that_django_would_make(self):
        call_command("makemigrations", "audit", check=True, dry_run=True)

    def test_the_migration_can_be_undone_and_applied_again(self, patients):
        call_command("migrate", "audit", "0001", verbosity=0)
        Patient.objects.update(diagnosis="flu")
        assert trail() == []
        call_command("migrate", "audit", verbosity=0)
        Patient.objects.update(diagnosis="gout")
        assert len(trail()) == 2


class TestReads:
    def test_one_chart_opened_is_one_event(self, client, doctor, patients):
        assert client.get(f"/patients/{patients[1].pk}/").status_code == 200
        expected = (f"user:{doctor.pk}", "READ", "clinic_patient", str(patients[1].pk))
        assert trail("actor", "action", "table", "row_id") == [expected]

    def test_a_list_records_each_patient_shown(self, client, patients):
        client.get("/patients/")
        assert trail("action", "row_id") == [("READ", str(patient.pk)) for patient in patients]

    def test_a_page_records_only_its_own_patients(self, client, patients, monkeypatch):
        pages = type("Pages", (PageNumberPagination,), {"page_size": 1})
        monkeypatch.setattr(PatientViewSet, "pagination_class", pages)
        client.get("/patients/?page=2")
        assert trail("row_id") == [(str(patients[1].pk),)]

    def test_without_a_record_there_is_no_chart(self, client, patients):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_event ADD CHECK (action <> 'READ')")
        response = client.get(f"/patients/{patients[0].pk}/")
        assert response.status_code == 500
        assert b"gout" not in response.content

    def test_a_refusal_goes_to_the_log_with_the_user(self, patients, caplog):
        stranger = User.objects.create_user("stranger")
        client = APIClient()
        client.force_authenticate(stranger)
        assert client.delete(f"/patients/{patients[0].pk}/").status_code == 403
        assert trail() == []
        assert f"refused status=403 actor=user:{stranger.pk} method=DELETE" in caplog.text

    def test_reading_needs_the_permission_to_view_unlike_with_drfs_own_class(self, patients, monkeypatch):
        client = APIClient()
        client.force_authenticate(User.objects.create_user("stranger"))
        url = f"/patients/{patients[0].pk}/"
        assert client.get(url).status_code == client.head(url).status_code == 403
        monkeypatch.setattr(PatientViewSet, "permission_classes", [DjangoModelPermissions])
        assert client.get(url).status_code == 200

    def test_a_caller_without_credentials_is_logged_too(self, patients, caplog):
        assert APIClient().get("/patients/").status_code in (401, 403)
        assert "actor=user:None" in caplog.text

    def test_the_auditors_query_tells_the_story_in_order(self, client, doctor, patients):
        url = f"/patients/{patients[0].pk}/"
        client.get(url)
        client.patch(url, {"name": "Eve"})
        query = Path("ops/who_saw.sql").read_text().replace("'7'", f"'{patients[0].pk}'")
        with connection.cursor() as cursor:
            cursor.execute(query)
            assert [(row[1], row[3]) for row in cursor.fetchall()] == [
                (f"user:{doctor.pk}", "READ"),
                (f"user:{doctor.pk}", "UPDATE"),
            ]


@pytest.mark.django_db(transaction=True)
class TestTheActor:
    def test_it_ends_with_the_request(self, client, patients):
        client.patch(f"/patients/{patients[0].pk}/", {"name": "Eve"})
        Patient.objects.filter(pk=patients[0].pk).update(name="by a job on the same connection")
        first, second = trail("actor")
        assert first[0].startswith("user:")
        assert second == ("",)

    def test_without_atomic_requests_the_change_has_no_name(self, client, patients, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", False)
        assert client.patch(f"/patients/{patients[0].pk}/", {"name": "Eve"}).status_code == 200
        assert trail("actor", "action") == [("", "UPDATE")]


class TestAppendOnly:
    @pytest.fixture(autouse=True)
    def as_the_application(self, patients):
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE app; CREATE ROLE auditor")
            cursor.execute(Path("ops/roles.sql").read_text())
            cursor.execute("GRANT SELECT, UPDATE ON clinic_patient TO app")
            cursor.execute("SET LOCAL ROLE app")
            yield
            cursor.execute("RESET ROLE")

    def test_it_can_record_reads_and_its_changes_are_recorded(self):
        Event.objects.bulk_create([Event(actor="user:1", action="READ", table="clinic_patient", row_id="1")])
        Patient.objects.update(diagnosis="flu")
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
        assert trail("action") == [("READ",), ("UPDATE",), ("UPDATE",)]

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM audit_event",
            "UPDATE audit_event SET actor = 'user:2'",
            "TRUNCATE audit_event",
            "SELECT actor FROM audit_event",
            "DROP TRIGGER audit ON clinic_patient",
        ],
    )
    def test_it_can_neither_change_nor_read_nor_switch_it_off(self, statement):
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    def test_the_auditor_can_read(self):
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE; SET LOCAL ROLE auditor")
        assert trail() == []


class TestMasking:
    @pytest.fixture
    def logged(self):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(MaskingFormatter())
        logger = logging.getLogger("shop.payments")
        logger.addHandler(handler)
        yield logger, stream
        logger.removeHandler(handler)

    @pytest.mark.parametrize("written", [CARD, " ".join([CARD[:4], CARD[4:8], CARD[8:12], CARD[12:]])])
    def test_a_card_number_in_an_argument_is_masked(self, logged, written):
        logger, stream = logged
        logger.warning("declined: %s", written)
        assert stream.getvalue() == "declined: [card ending 1111]\n"

    def test_a_card_number_in_a_traceback_is_masked(self, logged):
        logger, stream = logged
        try:
            raise ValueError(f"no such card: {CARD}")
        except ValueError:
            logger.exception("payment failed")
        assert CARD not in stream.getvalue()
        assert "ValueError: no such card: [card ending 1111]" in stream.getvalue()

    def test_an_order_number_of_the_same_length_stays(self, logged):
        logger, stream = logged
        number = CARD[:-1] + "2"
        logger.warning("order %s", number)
        assert number in stream.getvalue()

    def test_the_settings_use_it_for_every_logger(self):
        root = logging.getLogger()
        assert any(isinstance(handler.formatter, MaskingFormatter) for handler in root.handlers)
