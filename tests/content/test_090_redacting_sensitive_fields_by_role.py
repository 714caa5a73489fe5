"""Scenario 90: each role reads, writes, sorts and asks for the clear value; the trail says who did."""

import pytest
from crm.models import Customer, Disclosure
from crm.serializers import CustomerSerializer
from crm.views import CustomerViewSet
from crm.visibility import domain_only, last_four
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import connection
from django.urls import include, path
from rest_framework import serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient, APIRequestFactory

CARD = "4" * 12 + "4242"
BASE = {"id", "name"}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ann():
    return Customer.objects.create(name="Ann", email="ann@example.com", address="1 Main St", card_number=CARD)


def client_in(*groups, **user):
    account = User.objects.create_user("-".join(("u", *groups)), **user)
    for name in groups:
        account.groups.add(Group.objects.get_or_create(name=name)[0])
    client = APIClient()
    client.force_authenticate(account)
    return client


def serve(settings, view):
    router = SimpleRouter()
    router.register("customers", view, basename="customer")
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("", include(router.urls))]})


def reveal(client, ann, field="card_number", reason="chargeback 12"):
    return client.post(f"/customers/{ann.pk}/reveal/", {"field": field, "reason": reason})


class TestReading:
    @pytest.mark.parametrize("groups", [(), ("interns",), ("Support",)])
    def test_whoever_has_no_role_in_the_table_sees_the_base(self, groups):
        assert set(client_in(*groups).get("/customers/").json()[0]) == BASE

    def test_so_does_a_superuser_without_a_group(self):
        assert set(client_in(is_superuser=True).get("/customers/").json()[0]) == BASE

    def test_a_stranger_is_refused(self):
        assert APIClient().get("/customers/").status_code in (401, 403)

    def test_an_anonymous_user_in_an_open_view_sees_the_base(self, ann, monkeypatch):
        monkeypatch.setattr(CustomerViewSet, "permission_classes", [])
        assert set(APIClient().get(f"/customers/{ann.pk}/").json()) == BASE

    @pytest.mark.parametrize("groups", [("support", "fraud"), ("fraud", "support")])
    def test_with_two_roles_the_clear_value_beats_the_mask(self, ann, groups):
        body = client_in(*groups).get(f"/customers/{ann.pk}/").json()
        assert (body["email"], body["card_number"]) == ("ann@example.com", "****4242")

    def test_two_roles_add_up(self, ann):
        body = client_in("warehouse", "support").get(f"/customers/{ann.pk}/").json()
        assert set(body) == BASE | {"address", "email", "card_number"}

    def test_a_serializer_without_the_views_context_shows_the_base(self, ann):
        assert set(CustomerSerializer(ann).data) == BASE

    def test_the_roles_cost_one_query_whatever_the_number_of_rows(self, django_assert_num_queries):
        client = client_in("support")
        for number in range(5):
            Customer.objects.create(name=str(number), card_number=CARD)
        with django_assert_num_queries(2):
            assert len(client.get("/customers/").json()) == 6

    def test_an_empty_value_needs_no_mask(self):
        empty = Customer.objects.create(name="Bob")
        assert client_in("support").get(f"/customers/{empty.pk}/").json()["card_number"] == ""

    @pytest.mark.parametrize(
        ("value", "shown"), [(CARD, "****4242"), ("12345", "****"), ("1" * 19, "****1111")]
    )
    def test_a_mask_tells_neither_the_length_nor_most_of_a_short_value(self, value, shown):
        assert last_four(value) == shown

    def test_an_address_keeps_its_domain_only(self):
        assert domain_only("ann@example.com") == "***@example.com"


class TestWritingAndSorting:
    @pytest.fixture(autouse=True)
    def writable(self, settings):
        class Writable(viewsets.ModelViewSet, CustomerViewSet):
            filter_backends = (OrderingFilter,)

        serve(settings, Writable)

    def test_a_form_that_is_loaded_and_saved_does_not_store_the_mask(self, ann):
        client = client_in("support")
        body = client.get(f"/customers/{ann.pk}/").json()
        assert client.put(f"/customers/{ann.pk}/", body | {"name": "Anna"}).status_code == 200
        ann.refresh_from_db()
        assert (ann.name, ann.card_number, ann.email) == ("Anna", CARD, "ann@example.com")

    def test_a_field_that_is_not_shown_cannot_be_written(self, ann):
        assert client_in().patch(f"/customers/{ann.pk}/", {"card_number": "1"}).status_code == 200
        ann.refresh_from_db()
        assert ann.card_number == CARD

    def test_a_masked_field_cannot_be_sorted_by(self):
        Customer.objects.create(name="Bob", card_number="1" * 16)
        rows = client_in("support").get("/customers/?ordering=card_number").json()
        assert [row["name"] for row in rows] == ["Ann", "Bob"]


class TestRevealing:
    def test_the_right_role_gets_the_value_and_it_is_on_record(self, ann):
        response = reveal(client_in("fraud"), ann)
        assert response.json() == {"card_number": CARD}
        assert response.headers["Cache-Control"] == "no-store"
        record = Disclosure.objects.get()
        assert (record.user.username, record.customer, record.field, record.reason, record.granted) == (
            "u-fraud",
            ann,
            "card_number",
            "chargeback 12",
            True,
        )

    @pytest.mark.parametrize("groups", [(), ("support",), ("warehouse",)])
    def test_others_are_refused_and_that_is_on_record_too(self, ann, groups):
        response = reveal(client_in(*groups), ann)
        assert (response.status_code, response.json()) == (403, {"detail": "Not for your role."})
        assert not Disclosure.objects.get().granted

    @pytest.mark.parametrize(("field", "reason"), [("pk", "x"), ("address", "x"), ("card_number", "")])
    def test_an_unknown_field_or_no_reason_is_a_bad_request(self, ann, field, reason):
        assert reveal(client_in("fraud"), ann, field, reason).status_code == 400
        assert not Disclosure.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestUnderAtomicRequests:
    @pytest.fixture(autouse=True)
    def atomic_requests(self, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def test_the_refusal_stays_on_record(self, ann):
        assert reveal(client_in("support"), ann).status_code == 403
        assert Disclosure.objects.count() == 1

    def test_a_refusal_that_is_raised_takes_its_record_back(self, ann, settings):
        class Raises(viewsets.ViewSet):
            def create(self, request):
                Disclosure.objects.create(user=request.user, customer=ann, field="card_number", granted=False)
                raise PermissionDenied

        serve(settings, Raises)
        assert client_in("support").post("/customers/").status_code == 403
        assert not Disclosure.objects.exists()


class TestMistakes:
    def test_a_list_of_what_to_hide_shows_the_column_that_came_later(self, ann):
        class Hides(serializers.ModelSerializer):
            class Meta:
                model = Customer
                fields = "__all__"

            def to_representation(self, instance):
                data = super().to_representation(instance)
                for name in ("card_number", "email"):  # written before there was an address
                    data.pop(name)
                return data

        assert Hides(ann).data["address"] == "1 Main St"

    def test_masking_in_to_representation_leaves_the_field_writable(self, ann):
        class Masks(serializers.ModelSerializer):
            class Meta:
                model = Customer
                fields = ("name", "card_number")

            def to_representation(self, instance):
                data = super().to_representation(instance)
                return data | {"card_number": last_four(data["card_number"])}

        naive = Masks(ann, data=Masks(ann).data)
        naive.is_valid(raise_exception=True)
        naive.save()
        ann.refresh_from_db()
        assert ann.card_number == "****4242"

    @pytest.mark.parametrize("user", [User(), AnonymousUser()])
    def test_django_has_no_role_on_the_user(self, user):
        with pytest.raises(AttributeError, match="role"):
            user.role  # noqa: B018

    def test_search_on_a_masked_field_confirms_the_whole_number(self, settings):
        class Searchable(CustomerViewSet):
            filter_backends = (SearchFilter,)
            search_fields = ("card_number",)

        serve(settings, Searchable)
        client = client_in("support")
        assert len(client.get(f"/customers/?search={CARD}").json()) == 1
        assert client.get(f"/customers/?search={CARD[:-1]}9").json() == []

    def test_a_response_cached_without_the_groups_goes_to_the_next_role(self, settings, ann):
        class Cached(CustomerViewSet):
            store = {}

            def retrieve(self, request, pk=None):
                if pk not in self.store:
                    self.store[pk] = super().retrieve(request, pk=pk).data
                return Response(self.store[pk])

        serve(settings, Cached)
        client_in("fraud").get(f"/customers/{ann.pk}/")
        assert client_in().get(f"/customers/{ann.pk}/").json()["email"] == "ann@example.com"

    def test_a_serializer_has_no_request_but_its_context(self):
        request = APIRequestFactory().get("/")
        serializer = CustomerSerializer(context={"request": request})
        assert not hasattr(serializer, "request")
        assert serializer.context["request"] is request
