"""Scenario 66: users are deleted on PostgreSQL; what goes, what stays and who is told is watched."""

from contextlib import closing

import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.db.models import ProtectedError, RestrictedError
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone
from rest_framework.test import APIClient
from shop import models as shop
from shop.accounts import close_account
from shop.models import Order, OrderLine, Ticket, Upload

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db

User = get_user_model()


@pytest.fixture(autouse=True)
def storage(settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    return Upload._meta.get_field("document").storage


@pytest.fixture
def user():
    return User.objects.create_user("kim", "kim@example.com", first_name="Kim")


@pytest.fixture
def paid(user):
    order = Order.objects.create(user=user, paid_at=timezone.now())
    order.lines.create(quantity=2)
    return order


@pytest.fixture
def upload(user):
    upload = Upload(user=user)
    upload.document.save("passport.txt", ContentFile(b"-"))
    return upload


@pytest.fixture
def heard():
    """The models whose rows were announced as deleted."""
    senders = []

    def receive(sender, **kwargs):
        senders.append(sender)

    for signal in (pre_delete, post_delete):
        signal.connect(receive)
    yield senders
    for signal in (pre_delete, post_delete):
        signal.disconnect(receive)


def raw_delete(user):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE id = %s", [user.pk])


def on_delete_of(table):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT confdeltype::text FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


class TestEachRelation:
    def test_the_migration_is_what_the_models_say(self):
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)

    def test_lines_go_with_their_order_and_are_announced(self, paid, heard):
        paid.delete()
        assert not OrderLine.objects.exists()
        assert heard.count(OrderLine) == 2  # pre_delete and post_delete

    def test_a_user_with_orders_is_protected_and_nothing_is_deleted(self, user, paid, upload):
        message = "Cannot delete some instances of model 'User'.*protected foreign keys: 'Order.user'"
        with pytest.raises(ProtectedError, match=message):
            user.delete()
        assert Upload.objects.exists()

    def test_a_ticket_outlives_its_user(self, user):
        Ticket.objects.create(user=user, text="late")
        user.delete()
        assert Ticket.objects.get().user is None

    def test_the_database_refuses_a_value_that_validation_never_saw(self, paid):
        with pytest.raises(IntegrityError, match="line_quantity_gte_1"), transaction.atomic():
            paid.lines.update(quantity=0)
        with pytest.raises(IntegrityError, match="line_quantity_gte_1"), transaction.atomic():
            OrderLine.objects.bulk_create([OrderLine(order=paid, quantity=0)])

    @isolate_apps("shop")
    def test_restrict_gives_way_to_another_cascade(self):
        class Artist(models.Model):
            class Meta:
                app_label = "shop"

        class Album(models.Model):
            artist = models.ForeignKey(Artist, models.CASCADE)

            class Meta:
                app_label = "shop"

        class Song(models.Model):
            artist = models.ForeignKey(Artist, models.CASCADE)
            album = models.ForeignKey(Album, models.RESTRICT)

            class Meta:
                app_label = "shop"

        with connection.schema_editor() as editor:
            for model in (Artist, Album, Song):
                editor.create_model(model)
        artist = Artist.objects.create()
        album = Album.objects.create(artist=artist)
        Song.objects.create(artist=artist, album=album)
        with pytest.raises(RestrictedError):
            album.delete()
        artist.delete()
        assert not Song.objects.exists()


class TestClosingAnAccount:
    def test_with_a_paid_order_the_person_goes_and_the_record_stays(self, user, paid, upload):
        Order.objects.create(user=user)
        Ticket.objects.create(user=user, text="late")
        close_account(user)
        assert Order.objects.get() == paid
        kept = User.objects.get()
        assert (kept.username, kept.first_name, kept.email) == (f"deleted-{user.pk}", "", "")
        assert not kept.is_active
        assert not kept.has_usable_password()
        assert not Upload.objects.exists()
        assert Ticket.objects.get().user is None

    def test_without_one_the_user_goes(self, user, upload):
        Order.objects.create(user=user)
        close_account(user)
        assert not User.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_the_lock_keeps_others_from_ordering_meanwhile(self, user):
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            with closing(connection.copy()) as other, other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
                with pytest.raises(OperationalError, match="lock timeout"):
                    cursor.execute("INSERT INTO shop_order (user_id) VALUES (%s)", [user.pk])


class TestTheApi:
    @pytest.fixture
    def staff(self):
        client = APIClient(raise_request_exception=False)
        client.force_authenticate(User.objects.create_user("boss", is_staff=True))
        return client

    def test_a_protected_customer_is_a_conflict(self, staff, user, paid):
        response = staff.delete(f"/customers/{user.pk}/")
        assert response.status_code == 409
        assert response.json() == {"detail": "This customer has orders. Close the account instead."}
        assert User.objects.filter(pk=user.pk).exists()

    def test_any_other_customer_goes(self, staff, user):
        assert staff.delete(f"/customers/{user.pk}/").status_code == 204

    def test_without_the_handling_it_is_a_500(self, staff, user, paid, monkeypatch):
        monkeypatch.delattr("shop.views.CustomerViewSet.perform_destroy")
        assert staff.delete(f"/customers/{user.pk}/").status_code == 500


class TestFiles:
    @pytest.mark.django_db(transaction=True)
    def test_the_file_goes_after_the_commit(self, user, upload, storage):
        with transaction.atomic():
            user.delete()
            assert storage.exists(upload.document.name)
        assert not storage.exists(upload.document.name)

    @pytest.mark.django_db(transaction=True)
    def test_a_rollback_keeps_it(self, user, upload, storage):
        with transaction.atomic():
            user.delete()
            transaction.set_rollback(True)
        assert storage.exists(upload.document.name)
        assert Upload.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_a_broken_storage_does_not_fail_the_caller(self, user, upload, storage, monkeypatch, caplog):
        def broken(name):
            raise OSError("storage is down")

        monkeypatch.setattr(storage._wrapped, "delete", broken)
        user.delete()
        assert not User.objects.exists()
        assert "storage is down" in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_a_file_that_was_never_there_is_no_error(self, user, caplog):
        Upload.objects.create(user=user)
        user.delete()
        assert caplog.text == ""

    @pytest.mark.django_db(transaction=True)
    def test_deleted_in_the_signal_itself_it_is_lost_in_a_rollback(self, user, upload, storage):
        def at_once(instance, **kwargs):
            storage.delete(instance.document.name)

        post_delete.connect(at_once, sender=Upload)
        try:
            with transaction.atomic():
                user.delete()
                transaction.set_rollback(True)
        finally:
            post_delete.disconnect(at_once, sender=Upload)
        assert Upload.objects.exists()
        assert not storage.exists(upload.document.name)


class TestWhoEnforcesIt:
    def test_cascade_is_no_clause_of_the_database(self):
        assert on_delete_of("shop_orderline") == ["a"]
        assert on_delete_of("shop_upload") == ["a"]

    @pytest.mark.django_db(transaction=True)
    def test_so_a_raw_delete_fails(self, user, upload):
        message = 'update or delete on table "auth_user" violates foreign key constraint'
        with pytest.raises(IntegrityError, match=message):
            raw_delete(user)

    @pytest.mark.django("6.1")
    def test_db_cascade_is(self):
        assert on_delete_of("shop_pageview") == ["c"]

    @pytest.mark.django("6.1")
    @pytest.mark.django_db(transaction=True)
    def test_and_a_raw_delete_takes_the_children_along(self, user):
        shop.PageView.objects.create(user=user, path="/")
        raw_delete(user)
        assert not shop.PageView.objects.exists()

    @pytest.mark.django("6.1")
    def test_the_orm_does_not_even_ask_for_them_and_sends_no_signal(self, user, heard):
        shop.PageView.objects.create(user=user, path="/")
        with CaptureQueriesContext(connection) as queries:
            user.delete()
        assert not shop.PageView.objects.exists()
        assert not any("shop_pageview" in q["sql"] for q in queries)
        assert shop.PageView not in heard
        assert User in heard

    @pytest.mark.django("6.1")
    @isolate_apps("shop")
    def test_the_two_kinds_do_not_mix(self):
        class Parent(models.Model):
            class Meta:
                app_label = "shop"

        class Child(models.Model):
            parent = models.ForeignKey(Parent, models.CASCADE)

            class Meta:
                app_label = "shop"

        class Grandchild(models.Model):
            child = models.ForeignKey(Child, models.DB_CASCADE)

            class Meta:
                app_label = "shop"

        class Both(models.Model):
            one = models.ForeignKey(Parent, models.CASCADE, related_name="+")
            two = models.ForeignKey(Parent, models.DB_CASCADE, related_name="+")

            class Meta:
                app_label = "shop"

        assert [error.id for error in Grandchild.check(databases=["default"])] == ["fields.E323"]
        assert "models.E050" in [error.id for error in Both.check(databases=["default"])]


class TestMistakes:
    @pytest.mark.parametrize(
        "delete", [lambda user: user.delete(), lambda user: Upload.objects.all().delete()]
    )
    def test_an_overridden_delete_is_not_called(self, user, upload, monkeypatch, delete):
        called = []
        monkeypatch.setattr(Upload, "delete", lambda self, **kwargs: called.append(self))
        delete(user)
        assert not Upload.objects.exists()
        assert called == []

    @isolate_apps("shop")
    def test_without_a_constraint_orphans_stay_and_crash_later(self):
        class Owner(models.Model):
            class Meta:
                app_label = "shop"

        class Invoice(models.Model):
            owner = models.ForeignKey(Owner, models.DO_NOTHING, db_constraint=False)

            class Meta:
                app_label = "shop"

        with connection.schema_editor() as editor:
            editor.create_model(Owner)
            editor.create_model(Invoice)
        owner = Owner.objects.create()
        Invoice.objects.create(owner=owner)
        owner.delete()
        with pytest.raises(Owner.DoesNotExist):
            _ = Invoice.objects.get().owner

    def test_a_receiver_makes_django_fetch_the_children(self, paid, heard):
        with CaptureQueriesContext(connection) as with_receiver:
            paid.delete()
        assert any(q["sql"].startswith('SELECT "shop_orderline"') for q in with_receiver)

    def test_without_one_it_does_not(self, paid):
        with CaptureQueriesContext(connection) as without:
            paid.delete()
        assert not any(q["sql"].startswith('SELECT "shop_orderline"') for q in without)
        assert not OrderLine.objects.exists()
