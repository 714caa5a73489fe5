"""Scenario 69: an optional column becomes mandatory; old clients, old processes and old rows are asked."""

import pytest
from customers.models import Customer, Order
from customers.serializers import CustomerSerializer
from django.core.management import call_command
from django.db import IntegrityError, connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

NEEDS = ("postgresql",)

NULLABLE, NOT_VALID, VALIDATED, NOT_NULL = (
    ("customers", name)
    for name in (
        "0001_initial",
        "0002_country_not_valid",
        "0003_country_validate",
        "0004_country_not_null",
    )
)
PROVEN = "are sufficient to prove that it does not contain nulls"


def old_model():
    return MigrationLoader(connection).project_state(NULLABLE).apps.get_model("customers", "Customer")


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def migrate(transactional_db):
    yield lambda target: MigrationExecutor(connection).migrate([target])
    Customer.objects.all().delete()
    MigrationExecutor(connection).migrate([NOT_NULL])


@pytest.mark.django_db
class TestOldClients:
    def test_they_may_leave_it_out_and_the_client_is_logged(self, client, caplog):
        assert client.post("/v1/customers/", {"name": "Ann"}).json()["country"] == "DE"
        assert caplog.messages == ["country missing, client None"]

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_null_and_blank_count_as_left_out(self, client, nothing):
        body = {"name": "Ann", "country": nothing}
        assert client.post("/v1/customers/", body, format="json").json()["country"] == "DE"

    @pytest.mark.parametrize("body", [{"name": "B"}, {"name": "B", "country": None}])
    def test_their_put_keeps_what_is_stored(self, client, body):
        ann = Customer.objects.create(name="Ann", country="FR")
        assert client.put(f"/v1/customers/{ann.pk}/", body, format="json").status_code == 200
        ann.refresh_from_db()
        assert (ann.name, ann.country) == ("B", "FR")

    def test_a_patch_of_the_name_is_nothing_to_log(self, client, caplog):
        ann = Customer.objects.create(name="Ann", country="FR")
        assert client.patch(f"/v1/customers/{ann.pk}/", {"name": "B"}).json()["country"] == "FR"
        assert not [message for message in caplog.messages if "country" in message]

    def test_what_they_send_counts(self, client):
        assert client.post("/v1/customers/", {"name": "A", "country": "AT"}).json()["country"] == "AT"

    def test_they_are_told_and_the_new_ones_are_not(self, client):
        assert client.get("/v1/customers/").headers["Link"].endswith('rel="deprecation"')
        assert "Link" not in client.get("/v2/customers/").headers

    def test_after_the_grace_period_they_get_the_same_clear_400(self, client, settings):
        settings.COUNTRY_GRACE = False
        response = client.post("/v1/customers/", {"name": "Ann"})
        assert response.status_code == 400
        assert response.json() == {"country": ["Mandatory since 1 March 2027: ISO code, e.g. DE."]}
        assert "Link" not in response.headers


@pytest.mark.django_db
class TestNewClients:
    @pytest.mark.parametrize("body", [{}, {"country": None}, {"country": ""}])
    def test_they_must_send_it(self, client, body):
        response = client.post("/v2/customers/", {"name": "Ann", **body}, format="json")
        assert (response.status_code, list(response.json())) == (400, ["country"])

    def test_a_patch_needs_no_country_but_may_not_empty_it(self, client):
        ann = Customer.objects.create(name="Ann", country="FR")
        url = f"/v2/customers/{ann.pk}/"
        assert client.patch(url, {"name": "B"}).status_code == 200
        assert client.patch(url, {"country": None}, format="json").status_code == 400

    def test_a_naive_check_in_validate_refuses_the_patch(self):
        class Naive(CustomerSerializer):
            def validate(self, attrs):
                if not attrs.get("country"):
                    raise self.fields["country"].fail("required")
                return attrs

        ann = Customer(name="Ann", country="FR")
        assert not Naive(ann, data={"name": "B"}, partial=True).is_valid()
        assert CustomerSerializer(ann, data={"name": "B"}, partial=True).is_valid()

    def test_the_rule_holds_while_the_column_is_still_nullable(self):
        class Meta(CustomerSerializer.Meta):
            model = old_model()

        early = type("Early", (CustomerSerializer,), {"Meta": Meta})
        for body in ({}, {"country": None}, {"country": ""}):
            assert not early(data={"name": "Ann", **body}).is_valid()


class TestFill:
    @pytest.fixture(autouse=True)
    def nullable(self, migrate):
        migrate(NULLABLE)
        old = old_model()
        old.objects.bulk_create(old(name=str(n), country=None) for n in range(4))
        old.objects.create(name="blank", country="")
        old.objects.create(name="set", country="IT")
        buyer = Customer.objects.get(name="1")
        Order.objects.create(customer=buyer, ship_country="AT")
        Order.objects.create(customer=buyer, ship_country="FR")
        Order.objects.create(customer=buyer, ship_country="")

    def updates(self):
        with CaptureQueriesContext(connection) as queries:
            call_command("fill_country", batch=2)
        return [query for query in queries if query["sql"].startswith("UPDATE")]

    def test_every_row_gets_a_country_in_batches_and_a_second_run_finds_nothing(self):
        assert len(self.updates()) == 3
        values = dict(Customer.objects.values_list("name", "country"))
        assert values == {"0": "DE", "1": "FR", "2": "DE", "3": "DE", "blank": "DE", "set": "IT"}
        assert self.updates() == []


class TestTightening:
    def alter_notices(self):
        """What PostgreSQL says at its most talkative while the last migration runs."""
        notices = []
        connection.ensure_connection()

        def hear(diagnostic):
            notices.append(diagnostic.message_primary)

        connection.connection.add_notice_handler(hear)
        with connection.cursor() as cursor:
            cursor.execute("SET client_min_messages = debug1")
        try:
            yield notices
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET client_min_messages")
            connection.connection.remove_notice_handler(hear)

    notices = pytest.fixture(alter_notices)

    def test_the_migrations_are_what_the_model_says(self, db):
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)

    def test_the_last_step_scans_nothing(self, migrate, notices):
        migrate(VALIDATED)
        migrate(NOT_NULL)
        assert any(PROVEN in notice for notice in notices)

    def test_a_bare_null_false_has_no_such_proof(self, migrate, notices):
        migrate(NULLABLE)
        self.set_not_null()
        assert not any(PROVEN in notice for notice in notices)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE customers_customer ALTER country DROP NOT NULL")

    def test_a_bare_null_false_fails_on_rows_that_are_still_null(self, migrate):
        migrate(NULLABLE)
        old_model().objects.create(name="Ann")
        with pytest.raises(IntegrityError, match=r'column "country" .* contains null values'):
            self.set_not_null()

    @staticmethod
    def set_not_null(field=None):
        before = MigrationLoader(connection).project_state(NULLABLE)
        after = before.clone()
        operation = migrations.AlterField("customer", "country", field or models.CharField(max_length=2))
        operation.state_forwards("customers", after)
        with CaptureQueriesContext(connection) as queries, connection.schema_editor() as editor:
            operation.database_forwards("customers", editor, before, after)
        return [query["sql"] for query in queries]

    def test_a_one_off_default_updates_all_rows_in_the_same_transaction(self, migrate):
        migrate(NULLABLE)
        old_model().objects.create(name="Ann")
        statements = self.set_not_null(models.CharField(max_length=2, default="DE"))
        assert any(statement.startswith('UPDATE "customers_customer"') for statement in statements)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE customers_customer ALTER country DROP NOT NULL")

    def test_not_valid_passes_over_old_rows_and_checks_new_ones(self, migrate):
        migrate(NULLABLE)
        old = old_model()
        ann = old.objects.create(name="Ann")
        migrate(NOT_VALID)
        with pytest.raises(IntegrityError, match="country_set"):
            old.objects.create(name="Bob")
        with pytest.raises(IntegrityError, match="country_set"):  # an update of another column
            old.objects.filter(pk=ann.pk).update(name="Anna")
        with pytest.raises(IntegrityError, match="country_set"):
            migrate(VALIDATED)

    def test_validation_lets_writers_go_on(self, migrate):
        """It asks for SHARE UPDATE EXCLUSIVE, which conflicts with no read and no write."""
        migrate(NOT_VALID)
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE customers_customer VALIDATE CONSTRAINT country_set")
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT mode FROM pg_locks WHERE relation = 'customers_customer'::regclass "
                    "AND pid = pg_backend_pid() AND mode LIKE '%Exclusive%'"
                )
                assert cursor.fetchall() == [("ShareUpdateExclusiveLock",)]

    def test_not_null_accepts_an_empty_string(self, db):
        assert Customer.objects.create(name="Ann", country="").pk
