"""Scenario 68: one doctor becomes several; a model gets another name, another one moves to another app."""

import importlib
from io import StringIO

import pytest
from clinic.models import Care, Doctor, Patient
from clinic.services import disagreeing, set_main_doctor
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import DataError, IntegrityError, ProgrammingError, connection, migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext
from wards.models import Bed, Unit

NEEDS = ("postgresql",)

BEFORE, ADDED, FILLED = (("clinic", name) for name in ("0001_initial", "0002_care", "0003_fill_care"))
NEWEST = [("clinic", "0004_invoice_moved"), ("billing", "0001_initial"), ("wards", "0002_ward_is_unit")]
fill = importlib.import_module("clinic.migrations.0003_fill_care")


def model_at(target, name):
    return MigrationLoader(connection).project_state(target).apps.get_model(target[0], name)


def sql_of(app, migration):
    out = StringIO()
    call_command("sqlmigrate", app, migration, stdout=out)
    return out.getvalue()


@pytest.fixture
def migrate(transactional_db):
    yield lambda *targets: MigrationExecutor(connection).migrate(list(targets))
    MigrationExecutor(connection).migrate(NEWEST)


def test_the_migrations_are_what_the_models_say(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


class TestFill:
    @pytest.fixture(autouse=True)
    def old_data(self, migrate, monkeypatch):
        monkeypatch.setattr(fill, "BATCH", 2)
        migrate(ADDED)
        ann, bob = (Doctor.objects.create(name=name) for name in ("Ann", "Bob"))
        old = model_at(BEFORE, "Patient")
        for number in range(5):  # what the previous release still inserts
            old.objects.create(name=str(number), doctor_id=ann.pk)
        old.objects.create(name="nobody's")
        self.ann, self.bob = ann, bob

    def inserts(self, migrate):
        with CaptureQueriesContext(connection) as queries:
            migrate(FILLED)
        return [query for query in queries if query["sql"].startswith('INSERT INTO "clinic_care"')]

    def test_the_check_finds_what_is_not_filled_and_the_fill_works_in_batches(self, migrate):
        assert disagreeing().count() == 5
        assert len(self.inserts(migrate)) == 3
        assert not disagreeing().exists()
        assert Care.objects.filter(role="main", doctor=self.ann).count() == 5

    def test_a_second_run_changes_nothing(self, migrate):
        migrate(FILLED)
        migrate(ADDED)
        assert self.inserts(migrate) == []

    def test_a_second_run_mends_what_drifted(self, migrate):
        migrate(FILLED)
        old = model_at(BEFORE, "Patient").objects
        Care.objects.create(patient=Patient.objects.get(name="0"), doctor=self.bob, role="consulting")
        old.filter(name="0").update(doctor_id=self.bob.pk)
        old.filter(name="1").update(doctor_id=None)
        assert disagreeing().count() == 2
        migrate(ADDED)
        migrate(FILLED)
        assert not disagreeing().exists()
        assert [care.doctor for care in Care.objects.filter(patient__name="0")] == [self.bob]


@pytest.mark.django_db
class TestTheOneFunction:
    @pytest.fixture(autouse=True)
    def one_patient(self):
        self.ann, self.bob = (Doctor.objects.create(name=name) for name in ("Ann", "Bob"))
        set_main_doctor(Patient.objects.create(name="0"), self.ann)

    def test_the_consulting_doctor_can_become_the_main_one(self):
        patient = Patient.objects.get(name="0")
        Care.objects.create(patient=patient, doctor=self.bob, role="consulting")
        set_main_doctor(patient, self.bob)
        assert [(care.doctor, care.role) for care in patient.care_set.all()] == [(self.bob, "main")]

    def test_code_that_reads_the_old_structure_sees_the_change(self):
        patient = Patient.objects.get(name="0")
        set_main_doctor(patient, self.bob)
        assert model_at(BEFORE, "Patient").objects.get(name="0").doctor_id == self.bob.pk

    def test_there_is_one_main_doctor(self):
        patient = Patient.objects.get(name="0")
        with pytest.raises(IntegrityError, match="one_main_doctor"):
            Care.objects.create(patient=patient, doctor=self.bob, role="main")

    def test_an_update_past_the_function_makes_them_drift(self):
        Patient.objects.filter(name="0").update(doctor=self.bob)
        assert [patient.name for patient in disagreeing()] == ["0"]


class TestRename:
    def test_the_table_and_its_rows_stay(self, migrate):
        migrate(("wards", "0001_initial"))
        ward = model_at(("wards", "0001_initial"), "Ward").objects.create(name="North")
        model_at(("wards", "0001_initial"), "Bed").objects.create(ward_id=ward.pk)
        migrate(("wards", "0002_ward_is_unit"))
        assert Bed.objects.get().unit == Unit.objects.get(name="North")

    def test_the_old_code_goes_on_on_the_same_table(self, db):
        ward = model_at(("wards", "0001_initial"), "Ward").objects.create(name="North")
        model_at(("wards", "0001_initial"), "Bed").objects.create(ward_id=ward.pk)
        assert Bed.objects.get().unit.name == "North"

    def test_the_sql_touches_no_table(self, db):
        assert "RENAME" not in sql_of("wards", "0002")
        assert "DROP" not in sql_of("wards", "0002")

    def test_a_bare_rename_takes_the_table_from_the_old_code(self, migrate):
        before = ("wards", "0001_initial")
        migrate(before)
        state = MigrationLoader(connection).project_state(before)
        after = state.clone()
        rename = migrations.RenameModel("Ward", "Unit")
        rename.state_forwards("wards", after)
        with connection.schema_editor() as editor:
            rename.database_forwards("wards", editor, state, after)
        try:
            with pytest.raises(ProgrammingError, match='relation "wards_ward" does not exist'):
                model_at(before, "Ward").objects.first()
        finally:
            with connection.schema_editor() as editor:
                rename.database_backwards("wards", editor, after, state)

    def test_an_automatic_many_to_many_has_its_column_renamed_all_the_same(self, db):
        state = MigrationLoader(connection).project_state(("wards", "0001_initial"))
        beds = models.ManyToManyField("wards.bed", related_name="+")
        migrations.AddField("ward", "beds", beds).state_forwards("wards", state)
        migrations.AlterModelTable("ward", "wards_ward").state_forwards("wards", state)
        after = state.clone()
        rename = migrations.RenameModel("Ward", "Unit")
        rename.state_forwards("wards", after)
        with connection.schema_editor(collect_sql=True) as editor:
            rename.database_forwards("wards", editor, state, after)
        assert 'ALTER TABLE "wards_ward_beds" RENAME COLUMN "ward_id" TO "unit_id";' in editor.collected_sql

    def test_without_an_answer_a_rename_is_a_deletion(self, db):
        state = MigrationLoader(connection).project_state(NEWEST)
        renamed = state.clone()
        renamed.rename_model("wards", "Unit", "Department")
        assert {"DeleteModel", "CreateModel"} <= set(proposed(state, renamed)["wards"])


def proposed(before, after):
    """The operations that `makemigrations --noinput` would write, by app."""
    detector = MigrationAutodetector(before, after, NonInteractiveMigrationQuestioner())
    return {
        app: [type(operation).__name__ for each in changed for operation in each.operations]
        for app, changed in detector.changes(graph=MigrationLoader(connection).graph).items()
    }


class TestMove:
    def test_the_rows_and_the_content_type_come_along(self, migrate):
        migrate(("billing", None), FILLED)
        call_command("migrate", "contenttypes", verbosity=0)  # makes the content types of that state
        ContentType.objects.filter(app_label="billing").delete()
        kind, _ = ContentType.objects.get_or_create(app_label="clinic", model="invoice")
        patient = Patient.objects.create(name="Cy")
        model_at(FILLED, "Invoice").objects.create(patient_id=patient.pk)
        migrate(*NEWEST)
        invoice = apps.get_model("billing", "Invoice")
        assert invoice.objects.get().patient == patient
        ContentType.objects.clear_cache()
        assert ContentType.objects.get_for_model(invoice).pk == kind.pk
        assert model_at(FILLED, "Invoice").objects.count() == 1  # the old code finds them as well
        invoice.objects.all().delete()

    def test_the_sql_touches_no_table(self, db):
        for app, migration in (("billing", "0001"), ("clinic", "0004")):
            assert "TABLE" not in sql_of(app, migration)

    def test_makemigrations_would_delete_and_create(self, db):
        changes = proposed(MigrationLoader(connection).project_state(FILLED), ProjectState.from_apps(apps))
        assert "DeleteModel" in changes["clinic"]
        assert "CreateModel" in changes["billing"]


def test_text_cannot_be_altered_into_a_foreign_key(migrate):
    class Note(models.Model):
        doctor = models.CharField(max_length=80)

        class Meta:
            app_label = "clinic"

    with connection.schema_editor() as editor:
        editor.create_model(Note)
    Note.objects.create(doctor="Ann")
    key = models.ForeignKey(Doctor, models.CASCADE, related_name="+")
    key.set_attributes_from_name("doctor")
    key.model = Note
    try:
        with (
            pytest.raises(DataError, match="invalid input syntax for type bigint"),
            connection.schema_editor() as editor,
        ):
            editor.alter_field(Note, Note._meta.get_field("doctor"), key)
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Note)
