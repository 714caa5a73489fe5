"""Scenario 62: a name is split; old and new clients write it, and the old rows are filled in batches."""

import importlib

import pytest
from django.core.management import call_command
from django.db import DatabaseError, ProgrammingError, connection, migrations
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
from people.models import Customer
from people.names import join, split
from people.serializers import CustomerSerializer
from rest_framework.test import APIClient

NEEDS = ("postgresql",)

WHOLE, BOTH, FILLED = (
    ("people", name) for name in ("0001_initial", "0002_customer_parts", "0003_split_names")
)
fill = importlib.import_module("people.migrations.0003_split_names")
MARIA = "Maria del Carmen Lopez"


def model_at(target):
    return MigrationLoader(connection).project_state(target).apps.get_model("people", "Customer")


def names():
    return list(Customer.objects.order_by("pk").values_list("full_name", "first_name", "last_name"))


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def migrate(transactional_db):
    yield lambda target: MigrationExecutor(connection).migrate([target])
    MigrationExecutor(connection).migrate([FILLED])


@pytest.mark.django_db
class TestWriting:
    def test_the_whole_fills_the_parts(self, client):
        client.post("/customers/", {"full_name": "Ann Smith"})
        assert names() == [("Ann Smith", "Ann", "Smith")]

    def test_the_parts_fill_the_whole(self, client):
        client.post("/customers/", {"first_name": "Maria del Carmen", "last_name": "Lopez"})
        assert names() == [(MARIA, "Maria del Carmen", "Lopez")]

    def test_a_person_with_one_name_has_no_last_name(self, client):
        client.post("/customers/", {"first_name": "Plato", "last_name": ""})
        assert names() == [("Plato", "Plato", "")]

    def test_the_new_form_wins(self, client):
        client.post("/customers/", {"full_name": "X Y", "first_name": "Ann", "last_name": "Smith"})
        assert names() == [("Ann Smith", "Ann", "Smith")]

    @pytest.mark.parametrize("body", [{}, {"first_name": "", "last_name": ""}, {"full_name": ""}])
    def test_a_customer_without_a_name_is_a_400(self, client, body):
        assert client.post("/customers/", body).status_code == 400

    @pytest.mark.parametrize(
        ("edit", "expected"),
        [
            ({"full_name": "Ann Miller"}, ("Ann Miller", "Ann", "Miller")),
            ({"last_name": "Miller"}, ("Ann Miller", "Ann", "Miller")),
        ],
    )
    def test_whoever_puts_everything_back_with_one_edit_is_understood(self, client, edit, expected):
        url = f"/customers/{client.post('/customers/', {'full_name': 'Ann Smith'}).json()['id']}/"
        assert client.put(url, {**client.get(url).json(), **edit}).status_code == 200
        assert names() == [expected]

    def test_an_old_client_that_repeats_the_name_undoes_no_manual_split(self, client):
        maria = Customer.objects.create(full_name=MARIA, first_name="Maria del Carmen", last_name="Lopez")
        client.put(f"/customers/{maria.pk}/", {"full_name": MARIA})
        assert names() == [(MARIA, "Maria del Carmen", "Lopez")]

    def test_one_part_alone_is_refused_and_nothing_is_lost(self, client):
        maria = Customer.objects.create(full_name=MARIA)
        assert client.patch(f"/customers/{maria.pk}/", {"first_name": "Maria"}).status_code == 400
        assert names() == [(MARIA, "", "")]

    def test_every_name_fits(self, client):
        long = "x" * 100
        assert client.post("/customers/", {"full_name": f"{long[:99]} {long}"}).status_code == 201
        body = {"first_name": long[:99], "last_name": long[:99]}
        assert client.post("/customers/", body).status_code == 201
        assert client.post("/customers/", {**body, "last_name": long}).status_code == 400

    def test_the_rule_of_the_migration_is_the_rule_of_the_application(self):
        for name in ("Ann Smith", " Ann  Smith ", "Plato", MARIA, "", "x" * 100 + " y"):
            assert fill.split(name) == split(name)
        assert join(*split(" Ann  Smith ")) == "Ann Smith"


class TestFill:
    @pytest.fixture(autouse=True)
    def old_rows(self, migrate, monkeypatch):
        monkeypatch.setattr(fill, "BATCH", 2)
        migrate(BOTH)
        old = model_at(WHOLE)
        for name in ("Ann Smith", "Plato", MARIA, "Bo Lee", "Cy Young"):
            old.objects.create(full_name=name)  # what the previous release still inserts

    def run(self, migrate):
        with CaptureQueriesContext(connection) as queries:
            migrate(FILLED)
        return [query["sql"] for query in queries if "people_customer" in query["sql"]]

    def test_names_of_two_words_are_split_in_batches_and_the_rest_is_left_to_people(self, migrate):
        statements = self.run(migrate)
        assert [s for s in statements if s.startswith("SELECT") and not s.endswith("FOR UPDATE")] == []
        assert len([s for s in statements if s.startswith("UPDATE")]) == 3
        assert names() == [
            ("Ann Smith", "Ann", "Smith"),
            ("Plato", "", ""),
            (MARIA, "", ""),
            ("Bo Lee", "Bo", "Lee"),
            ("Cy Young", "Cy", "Young"),
        ]

    def test_a_second_run_changes_nothing_that_people_decided(self, migrate):
        migrate(FILLED)
        Customer.objects.filter(full_name=MARIA).update(first_name="Maria del Carmen", last_name="Lopez")
        Customer.objects.filter(full_name="Plato").update(first_name="Plato")
        before = names()
        migrate(BOTH)
        assert not [s for s in self.run(migrate) if s.startswith("UPDATE")]
        assert names() == before

    def test_a_second_run_mends_what_an_old_process_let_drift(self, migrate):
        migrate(FILLED)
        model_at(WHOLE).objects.filter(full_name="Ann Smith").update(full_name="Ann Miller")
        migrate(BOTH)
        migrate(FILLED)
        assert names()[0] == ("Ann Miller", "Ann", "Miller")

    def test_going_back_to_the_whole_loses_no_name_of_a_new_client(self, migrate, client):
        migrate(FILLED)
        client.post("/customers/", {"first_name": "Di", "last_name": "Fox"})
        migrate(WHOLE)
        assert model_at(WHOLE).objects.latest("pk").full_name == "Di Fox"

    def test_what_committed_before_a_failure_is_kept(self, migrate):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE people_customer ADD CONSTRAINT poison CHECK (last_name <> 'Young')")
        with pytest.raises(DatabaseError, match="poison"):
            migrate(FILLED)
        assert [first for _, first, _ in names()] == ["Ann", "", "", "Bo", ""]
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE people_customer DROP CONSTRAINT poison")


class TestMistakes:
    @pytest.mark.parametrize("name", ["Plato", MARIA])
    def test_unpacking_a_split_ends_with_an_error(self, name):
        with pytest.raises(ValueError, match="to unpack"):
            _first, _last = name.split(" ")

    def test_split_once_invents_a_surname(self):
        assert MARIA.split(" ", 1)[1] == "del Carmen Lopez"

    def test_a_read_only_name_is_ignored_without_a_word(self, db):
        class Meta(CustomerSerializer.Meta):
            read_only_fields = ("full_name",)
            extra_kwargs = {}

        naive = type("Naive", (CustomerSerializer,), {"Meta": Meta})
        ann = Customer.objects.create(full_name="Ann Smith")
        change = naive(ann, data={"full_name": "Ann Miller"}, partial=True)
        assert change.is_valid()
        assert change.save().full_name == "Ann Smith"

    def test_the_model_of_today_does_not_work_on_the_table_of_then(self, migrate):
        migrate(WHOLE)
        with pytest.raises(ProgrammingError, match="first_name does not exist"):
            Customer.objects.first()

    def test_without_a_reverse_function_there_is_no_way_back(self, migrate, monkeypatch):
        monkeypatch.setattr(fill.Migration, "operations", [migrations.RunPython(fill.fill)])
        with pytest.raises(IrreversibleError):
            migrate(BOTH)

    def test_the_migrations_are_what_the_model_says(self, db):
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)
