"""Scenario 20: who may not see pay tries to read, write, filter, sort, search and guess it."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.core.cache import cache
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from hr.models import Employee
from hr.serializers import EmployeeSerializer, PayrollSerializer
from hr.views import EmployeeViewSet
from rest_framework import serializers
from rest_framework.filters import OrderingFilter
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient
from rest_framework.views import APIView

PUBLIC, PAYROLL = {"id", "name", "team"}, {"id", "name", "team", "salary", "iban"}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def staff():
    Employee.objects.create(name="Ann", team="a", salary=50_000, iban="DE00")
    Employee.objects.create(name="Bob", team="a", salary=90_000, iban="DE11")
    Employee.objects.create(name="Cid", team="b", salary=70_000, iban="DE22")


@pytest.fixture
def bob():
    return Employee.objects.get(name="Bob")


def client_with(*codenames, **user):
    account = get_user_model().objects.create_user("-".join(("u", *codenames)), **user)
    account.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = APIClient()
    client.force_authenticate(account)
    return client


@pytest.fixture
def plain():
    return client_with("add_employee", "change_employee")


@pytest.fixture
def payroll():
    return client_with("add_employee", "change_employee", "manage_pay")


def names(client, query=""):
    return [row["name"] for row in client.get(f"/employees/{query}").json()]


def serve(settings, view):
    router = SimpleRouter()
    router.register("employees", view, basename="employee")
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("", include(router.urls))]})


class TestReading:
    def test_shows_each_audience_its_shape_in_list_and_detail(self, plain, payroll, bob):
        for client, shape in [(plain, PUBLIC), (payroll, PAYROLL)]:
            assert all(set(row) == shape for row in client.get("/employees/").json())
            assert set(client.get(f"/employees/{bob.pk}/").json()) == shape

    def test_does_not_take_staff_for_payroll(self):
        rows = client_with(is_staff=True).get("/employees/").json()
        assert all(set(row) == PUBLIC for row in rows)

    def test_is_granted_to_superusers_and_to_a_group(self):
        group = Group.objects.create(name="Payroll")
        group.permissions.set(Permission.objects.filter(codename="manage_pay"))
        member = client_with()
        member.handler._force_user.groups.add(group)
        for client in (member, client_with("change_employee", is_superuser=True)):
            assert set(client.get("/employees/").json()[0]) == PAYROLL
        assert not AnonymousUser().has_perm("hr.manage_pay")

    def test_takes_a_login(self):
        assert APIClient().get("/employees/").status_code == 403
        assert client_with().get("/employees/").status_code == 200


class TestWriting:
    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_ignores_the_field_of_who_may_not_see_it(self, plain, bob, method):
        body = {"name": "Bob", "team": "b", "salary": 1, "iban": "XX"}
        response = getattr(plain, method)(f"/employees/{bob.pk}/", body)
        assert (response.status_code, set(response.json())) == (200, PUBLIC)
        bob.refresh_from_db()
        assert (bob.team, bob.salary, bob.iban) == ("b", 90_000, "DE11")

    def test_ignores_it_in_a_new_object_too(self, plain):
        assert plain.post("/employees/", {"name": "Eve", "team": "a", "salary": 9}).status_code == 201
        assert Employee.objects.get(name="Eve").salary == 0

    def test_takes_it_from_who_may(self, payroll, bob):
        payroll.patch(f"/employees/{bob.pk}/", {"salary": 95_000})
        bob.refresh_from_db()
        assert bob.salary == 95_000

    def test_needs_the_right_to_change_employees_besides(self, bob):
        client = client_with("manage_pay")
        assert client.patch(f"/employees/{bob.pk}/", {"salary": 1}).status_code == 403


class TestSideDoors:
    @pytest.mark.parametrize(
        "query",
        [
            "?salary__gte=60000",
            "?salary__lte=60000",
            "?salary=90000",
            "?iban=DE11",
            "?ordering=salary",
            "?ordering=-salary",
            "?ordering=iban",
        ],
    )
    def test_lead_nowhere_without_the_right(self, plain, query):
        assert names(plain, query) == ["Ann", "Bob", "Cid"]

    def test_searching_does_not_look_into_the_hidden_columns(self, plain, payroll):
        assert names(plain, "?search=DE11") == names(plain, "?search=90000") == []
        assert names(payroll, "?search=DE11") == []
        assert names(plain, "?search=bo") == ["Bob"]

    def test_are_open_with_the_right(self, payroll):
        assert names(payroll, "?salary__gte=60000&salary__lte=80000") == ["Cid"]
        assert names(payroll, "?ordering=-salary") == ["Bob", "Cid", "Ann"]

    def test_that_everybody_may_use_stay_open(self, plain):
        assert names(plain, "?team=a") == ["Ann", "Bob"]
        assert names(plain, "?ordering=-name") == ["Cid", "Bob", "Ann"]

    def test_options_and_browsable_forms_show_what_the_audience_has(self, plain, payroll):
        for client, shape in [(plain, PUBLIC), (payroll, PAYROLL)]:
            assert set(client.options("/employees/").json()["actions"]["POST"]) == shape
            page = client.get("/employees/", headers={"accept": "text/html"}).content.decode()
            assert ('name="salary"' in page) is (shape == PAYROLL)

    def test_the_schema_made_without_a_login_has_the_base_fields(self):
        schema = SchemaGenerator().get_schema(public=True)
        assert set(schema["components"]["schemas"]["Employee"]["properties"]) == PUBLIC
        parameters = schema["paths"]["/employees/"]["get"]["parameters"]
        assert {parameter["name"] for parameter in parameters} == {"team", "search", "ordering"}
        assert "iban" not in str(schema)


class HidesInOutput(PayrollSerializer):
    """What is often advised: all fields, and a key dropped at the end."""

    def to_representation(self, instance):
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("hr.manage_pay"):
            del data["salary"], data["iban"]
        return data


class TestMistakes:
    @pytest.fixture
    def hiding(self, settings):
        class Naive(EmployeeViewSet):
            def get_serializer_class(self):
                return HidesInOutput

        serve(settings, Naive)

    @pytest.mark.usefixtures("hiding")
    def test_a_key_dropped_from_the_output_can_still_be_written_sorted_by_and_listed(self, plain, bob):
        assert set(plain.get(f"/employees/{bob.pk}/").json()) == PUBLIC
        assert set(plain.patch(f"/employees/{bob.pk}/", {"salary": 1}).json()) == PUBLIC
        bob.refresh_from_db()
        assert bob.salary == 1
        assert names(plain, "?ordering=salary") == ["Bob", "Ann", "Cid"]
        assert "salary" in plain.options("/employees/").json()["actions"]["POST"]

    def test_a_serializer_that_asks_its_context_fails_where_there_is_none(self, bob):
        with pytest.raises(KeyError, match="request"):
            _ = HidesInOutput(bob).data
        assert set(EmployeeSerializer(bob).data) == PUBLIC

    @pytest.mark.parametrize("user", [get_user_model()(), AnonymousUser()])
    def test_no_user_of_django_has_is_admin(self, user):
        with pytest.raises(AttributeError, match="is_admin"):
            _ = user.is_admin
        assert not user.is_staff

    def test_a_filter_open_to_all_finds_a_hidden_number_in_twenty_requests(self, plain, bob, settings):
        class Naive(EmployeeViewSet):
            filterset_class = None

            @property
            def filterset_fields(self):
                return {"name": ["exact"], "salary": ["gte"]}

        serve(settings, Naive)
        assert "salary" not in plain.get(f"/employees/{bob.pk}/").json()
        low, high, requests = 0, 1_000_000, 0
        while high - low > 1:
            middle, requests = (low + high) // 2, requests + 1
            found = names(plain, f"?name=Bob&salary__gte={middle}")
            low, high = (middle, high) if found else (low, middle)
        assert (low, requests) == (90_000, 20)

    def test_ordering_by_all_fields_ranks_what_is_not_shown(self, plain, settings):
        class Naive(EmployeeViewSet):
            ordering_fields = "__all__"

        serve(settings, Naive)
        assert names(plain, "?ordering=-salary") == ["Bob", "Cid", "Ann"]

    def test_searching_a_hidden_column_confirms_a_guess(self, plain, settings):
        class Naive(EmployeeViewSet):
            search_fields = ("name", "iban")

        serve(settings, Naive)
        assert names(plain, "?search=DE11") == ["Bob"]

    def test_excluding_a_field_shows_every_other_one(self, bob):
        class Naive(serializers.ModelSerializer):
            class Meta:
                model = Employee
                exclude = ("salary",)

        assert "iban" in Naive(bob).data

    def test_a_nested_serializer_knows_nothing_of_the_choice_in_a_view(self, plain, settings):
        class Team(serializers.Serializer):
            naive = PayrollSerializer(many=True, source="members")
            right = EmployeeSerializer(many=True, source="members")

        class Teams(APIView):
            filter_backends = (OrderingFilter,)

            def get(self, request):
                team = {"members": Employee.objects.filter(team="a")}
                return Response(Team(team, context={"request": request}).data)

        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("teams/", Teams.as_view())]})
        team = plain.get("/teams/").json()
        assert set(team["naive"][0]) == PAYROLL
        assert set(team["right"][0]) == PUBLIC

    def test_data_cached_by_id_alone_gives_the_next_reader_the_payroll_version(
        self, plain, payroll, bob, settings
    ):
        cache.clear()

        class Naive(EmployeeViewSet):
            def retrieve(self, request, pk):
                fresh = self.get_serializer(self.get_object()).data
                return Response(cache.get_or_set(f"employee:{pk}", fresh))

        serve(settings, Naive)
        payroll.get(f"/employees/{bob.pk}/")
        assert set(plain.get(f"/employees/{bob.pk}/").json()) == PAYROLL
        cache.clear()
