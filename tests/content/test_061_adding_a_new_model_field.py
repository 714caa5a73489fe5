"""Scenario 61: a column is added to a busy table on PostgreSQL; old code, locks and rewrites are watched."""

import importlib
import os
import subprocess
import sys
from contextlib import closing
from threading import Thread
from uuid import uuid4

import psycopg
import pytest
from django.contrib.postgres.functions import RandomUUID
from django.core.management import call_command
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
    migrations,
    models,
    transaction,
)
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
from shop.models import Order

NEEDS = ("postgresql",)

BEFORE = ("shop", "0001_initial")
ADDED = ("shop", "0002_order_priority_search_number")
FILLED = ("shop", "0003_fill_search_number")
fill = importlib.import_module(".".join(["shop", "migrations", FILLED[1]]))


def state_at(target):
    return MigrationLoader(connection).project_state(target)


def model_at(target):
    """The model as a process of that release holds it."""
    return state_at(target).apps.get_model("shop", "Order")


def apply(operation, start=BEFORE):
    """Run one operation on the table as it is in the database, as a migration would."""
    before = state_at(start)
    after = before.clone()
    operation.state_forwards("shop", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("shop", editor, before, after)
    return after.apps.get_model("shop", "Order")


def add(field, name="extra"):
    return migrations.AddField("order", name, field)


def scalar(sql, *params, on=connection):
    with on.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0]


def table_file():
    return scalar("SELECT relfilenode FROM pg_class WHERE relname = 'shop_order'")


def column_default(name):
    return scalar(
        "SELECT column_default FROM information_schema.columns "
        "WHERE table_name = 'shop_order' AND column_name = %s",
        name,
    )


@pytest.fixture
def migrate(transactional_db):
    """Moves the table to a migration; in the end it is as new."""
    yield lambda target: MigrationExecutor(connection).migrate([target])
    MigrationExecutor(connection).migrate([FILLED])


@pytest.fixture
def other(transactional_db):
    """A second connection to the same database."""
    with closing(connection.copy()) as second:
        yield second


@pytest.mark.django_db
class TestTheColumn:
    def test_the_migrations_are_what_the_model_says(self):
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)

    def test_the_database_default_stays(self):
        assert column_default("priority") == "'normal'::character varying"

    def test_an_instance_has_the_value_before_it_is_saved(self):
        assert Order(number="A-1").priority == "normal"

    def test_without_default_an_unsaved_instance_holds_an_expression(self):
        changed = apply(add(models.CharField(max_length=9, db_default="x")), FILLED)
        assert changed(number="A-1").extra != "x"

    def test_the_code_of_every_step_inserts_and_reads(self):
        for number, step in enumerate([BEFORE, ADDED, FILLED]):
            model_at(step).objects.create(number=str(number))
            assert model_at(step).objects.filter(number=str(number)).exists()

    def test_a_save_fills_the_column_and_a_bulk_create_does_not(self):
        Order.objects.create(number="a-1")
        Order.objects.bulk_create([Order(number="a-2")])
        assert list(Order.objects.order_by("pk").values_list("search_number", flat=True)) == ["A1", None]

    def test_neither_column_rewrites_the_table(self):
        file = table_file()
        apply(add(models.CharField(max_length=10, default="n", db_default="n")), FILLED)
        apply(add(models.CharField(max_length=10, null=True), "more"), FILLED)
        assert table_file() == file


@pytest.mark.django_db
class TestMistakes:
    def test_default_alone_breaks_the_inserts_of_the_old_code(self):
        apply(add(models.CharField(max_length=10, default="normal")), FILLED)
        assert column_default("extra") is None
        with pytest.raises(IntegrityError, match=r'null value in column "extra".*violates not-null'):
            model_at(ADDED).objects.create(number="A-1")

    def test_a_callable_default_gives_all_rows_one_value(self):
        Order.objects.bulk_create([Order(number="1"), Order(number="2")])
        changed = apply(add(models.UUIDField(default=uuid4)), FILLED)
        assert changed.objects.values("extra").distinct().count() == 1

    def test_and_if_it_is_unique_the_migration_fails(self):
        Order.objects.bulk_create([Order(number="1"), Order(number="2")])
        with pytest.raises(IntegrityError, match="could not create unique index"):
            apply(add(models.UUIDField(default=uuid4, unique=True)), FILLED)

    def test_a_volatile_database_default_rewrites_the_table(self):
        file = table_file()
        apply(add(models.UUIDField(db_default=RandomUUID())), FILLED)
        assert table_file() != file


class TestOrderOfSteps:
    def test_code_before_migration_cannot_even_read(self, migrate):
        migrate(BEFORE)
        with pytest.raises(ProgrammingError, match=r"column shop_order\.priority does not exist"):
            Order.objects.first()

    def test_a_waiting_migration_stops_later_reads_too(self, migrate):
        migrate(BEFORE)
        with closing(connection.copy()) as reader, transaction.atomic():
            list(model_at(BEFORE).objects.all())  # a long report: it holds its lock until it commits
            waiting = Thread(target=self.add_column)
            waiting.start()
            while not scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert waiting.is_alive()
            with pytest.raises(DatabaseError, match="lock timeout"), reader.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'; SELECT count(*) FROM shop_order")
        waiting.join()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE shop_order DROP COLUMN extra")

    @staticmethod
    def add_column():
        with closing(connection), connection.cursor() as cursor:  # a connection of this thread's own
            cursor.execute("ALTER TABLE shop_order ADD COLUMN extra integer")

    def test_pgoptions_makes_migrate_give_up(self):
        database = os.environ["EXAMPLE_DATABASE_URL"]
        command = [sys.executable, "manage.py", "migrate", "-v0", "shop"]
        subprocess.run([*command, "0001"], check=True)
        hasty = os.environ | {"PGOPTIONS": "-c lock_timeout=100ms"}
        with psycopg.connect(database) as report:
            report.execute("SELECT * FROM shop_order")
            stopped = subprocess.run([*command, "0002"], env=hasty, capture_output=True, text=True)
        assert stopped.returncode
        assert "canceling statement due to lock timeout" in stopped.stderr
        subprocess.run([*command, "0002"], env=hasty, check=True)

    def test_column_and_backfill_in_one_transaction_make_reads_wait(self, migrate, other):
        migrate(BEFORE)
        with transaction.atomic():
            with connection.schema_editor() as editor:
                editor.execute("ALTER TABLE shop_order ADD COLUMN extra integer")
            with pytest.raises(OperationalError, match="lock timeout"), other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'; SELECT count(*) FROM shop_order")
            transaction.set_rollback(True)


class TestBackfill:
    @pytest.fixture(autouse=True)
    def five_old_orders(self, migrate, monkeypatch):
        monkeypatch.setattr(fill, "BATCH", 2)
        migrate(ADDED)
        old = model_at(BEFORE)
        old.objects.bulk_create([old(number=f"a-{n}") for n in range(5)])

    def updates(self, migrate):
        with CaptureQueriesContext(connection) as queries:
            migrate(FILLED)
        return [q["sql"] for q in queries if q["sql"].startswith('UPDATE "shop_order"')]

    def test_all_rows_are_filled_in_batches(self, migrate):
        assert len(self.updates(migrate)) == 3
        assert not Order.objects.filter(search_number=None).exists()
        assert Order.objects.get(number="a-4").search_number == "A4"

    def test_a_second_run_changes_nothing(self, migrate):
        migrate(FILLED)
        migrate(ADDED)
        assert self.updates(migrate) == []

    def test_a_value_written_meanwhile_is_kept(self, migrate):
        Order.objects.filter(number="a-1").update(search_number="NEWER")
        migrate(FILLED)
        assert Order.objects.get(number="a-1").search_number == "NEWER"

    def test_after_a_failure_the_batches_before_it_are_kept_and_the_next_run_does_the_rest(self, migrate):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE shop_order ADD CONSTRAINT poison CHECK (search_number <> 'A3')")
        with pytest.raises(IntegrityError):
            migrate(FILLED)
        assert Order.objects.filter(search_number=None).count() == 3
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE shop_order DROP CONSTRAINT poison")
        assert len(self.updates(migrate)) == 2
        assert not Order.objects.filter(search_number=None).exists()

    def test_one_large_update_keeps_every_row_locked(self, other):
        with transaction.atomic():
            Order.objects.update(search_number="X")
            with pytest.raises(OperationalError, match="lock timeout"), other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'; UPDATE shop_order SET number = 'b' WHERE id > 0")
