"""Scenario 97: a dead column goes in three releases on PostgreSQL; old code and new are asked at each step."""

import os

import psycopg
import pytest
from customers.models import Customer
from customers.serializers import CustomerSerializer
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import IntegrityError, InternalError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIRequestFactory

NEEDS = ("postgresql",)

INITIAL, DEFAULTED, FORGOTTEN, DROPPED = (
    ("customers", name)
    for name in (
        "0001_initial",
        "0002_fax_number_db_default",
        "0003_forget_fax_number",
        "0004_drop_fax_number",
    )
)


def code_of(target):
    """The model as the processes of that release know it."""
    return MigrationLoader(connection).project_state(target).apps.get_model("customers", "Customer")


def columns():
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, TABLE)}


TABLE = Customer._meta.db_table


@pytest.fixture
def migrate(transactional_db):
    yield lambda target: MigrationExecutor(connection).migrate([target])
    Customer.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DROP VIEW IF EXISTS fax_report")
    MigrationExecutor(connection).migrate([DROPPED])


class TestThreeReleases:
    def test_release_1_only_sets_a_default(self, migrate):
        migrate(INITIAL)
        with CaptureQueriesContext(connection) as queries:
            migrate(DEFAULTED)
        (altered,) = [query["sql"] for query in queries if "ALTER TABLE" in query["sql"]]
        assert altered.endswith("SET DEFAULT ''")

    @pytest.mark.parametrize("release", [INITIAL, DEFAULTED])
    def test_during_release_2_old_and_new_processes_read_and_write(self, migrate, release):
        migrate(FORGOTTEN)
        assert "fax_number" in columns()
        old = code_of(release)
        old.objects.create(name="by the old code", fax_number="030 1")
        Customer.objects.create(name="by the new code")
        assert list(old.objects.order_by("pk").values_list("fax_number", flat=True)) == ["030 1", ""]
        assert Customer.objects.count() == len(Customer.objects.all()) == 2

    def test_release_2_runs_no_sql_on_the_table(self, migrate):
        migrate(DEFAULTED)
        with CaptureQueriesContext(connection) as queries:
            migrate(FORGOTTEN)
        assert not [query["sql"] for query in queries if TABLE in query["sql"]]

    def test_release_3_drops_the_column_under_the_code_of_release_2(self, migrate):
        migrate(FORGOTTEN)
        kept = Customer.objects.create(name="Ann")
        migrate(DROPPED)
        assert "fax_number" not in columns()
        assert Customer.objects.get().name == kept.name

    @pytest.mark.django_db
    def test_models_and_migrations_agree(self):
        call_command("makemigrations", "--check", "--dry-run")

    def test_the_drop_gives_up_when_it_cannot_get_the_lock(self, migrate):
        migrate(FORGOTTEN)
        with psycopg.connect(
            os.environ["EXAMPLE_DATABASE_URL"], dbname=connection.settings_dict["NAME"]
        ) as other:
            other.execute(f"SELECT * FROM {TABLE}")  # a long transaction holds its share lock
            with pytest.raises(OperationalError, match="lock timeout"):
                migrate(DROPPED)
        assert "fax_number" in columns()


class TestClients:
    @pytest.mark.django_db
    def test_the_key_is_gone_and_who_still_sends_it_is_logged_and_not_refused(self, caplog):
        request = APIRequestFactory().post("/")
        request.user = AnonymousUser()
        serializer = CustomerSerializer(
            data={"name": "Ann", "fax_number": "030 1"}, context={"request": request}
        )
        serializer.is_valid(raise_exception=True)
        assert serializer.save().name == "Ann"
        assert set(serializer.data) == {"id", "name"}
        assert caplog.messages == ["fax_number sent by None"]


class TestMistakes:
    def test_dropped_in_one_release_every_query_of_the_old_code_fails(self, migrate):
        migrate(DROPPED)
        with pytest.raises(ProgrammingError, match="fax_number does not exist"):
            list(code_of(DEFAULTED).objects.all())
        with pytest.raises(ProgrammingError, match='column "fax_number" of relation'):
            code_of(DEFAULTED).objects.create(name="Ann")

    def test_without_a_database_default_the_new_code_cannot_insert(self, migrate):
        migrate(INITIAL)
        with pytest.raises(IntegrityError, match='null value in column "fax_number"'):
            Customer.objects.create(name="Ann")

    def test_both_migrations_run_in_one_deploy_if_they_are_shipped_in_one(self, migrate):
        migrate(DEFAULTED)
        call_command("migrate", verbosity=0)
        with pytest.raises(ProgrammingError, match="fax_number does not exist"):
            list(code_of(DEFAULTED).objects.all())

    def test_a_view_stops_the_drop_and_cascade_deletes_the_view(self, migrate):
        migrate(FORGOTTEN)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE VIEW fax_report AS SELECT fax_number FROM {TABLE}")
        with pytest.raises(InternalError, match="other objects depend on it"):
            migrate(DROPPED)
        assert "fax_number" in columns()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {TABLE} DROP COLUMN fax_number CASCADE")
            cursor.execute("SELECT to_regclass('fax_report')")
            assert cursor.fetchone() == (None,)
            cursor.execute(f"ALTER TABLE {TABLE} ADD COLUMN fax_number varchar(30)")

    def test_migrating_back_brings_the_column_without_the_data(self, migrate):
        migrate(FORGOTTEN)
        code_of(DEFAULTED).objects.create(name="Ann", fax_number="030 1")
        migrate(DROPPED)
        migrate(DEFAULTED)
        assert code_of(DEFAULTED).objects.get().fax_number == ""

    @pytest.mark.django_db
    def test_a_filter_that_still_names_it_fails_at_run_time(self):
        with pytest.raises(FieldError):
            Customer.objects.filter(fax_number="")
