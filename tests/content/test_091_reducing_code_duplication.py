"""Scenario 91: pasted viewsets beside those of one base: the same tests pass on both."""

import json

import pytest
from common.filters import PeriodFilter
from common.serializers import AuditedSerializer
from common.viewsets import ActionSerializerMixin, TenantMixin, TenantViewSet
from crm.models import Invoice, Member, Organisation, Project
from crm.views import InvoiceViewSet, ProjectRowSerializer, ProjectSerializer, ProjectViewSet
from django.contrib.auth.models import User
from django.db import connection
from django.shortcuts import get_object_or_404
from django.test.utils import CaptureQueriesContext
from django.urls import include, path, resolve
from django.utils.dateparse import parse_date
from rest_framework import filters, permissions, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import PageNumberPagination
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

pytestmark = pytest.mark.django_db


class PastedProjectViewSet(viewsets.ViewSet):
    """The code before. That of the invoices below was pasted from it."""

    permission_classes = (permissions.IsAuthenticated,)

    class Full(serializers.ModelSerializer):
        created_by = serializers.SerializerMethodField()

        class Meta:
            model = Project
            fields = ("id", "created_at", "created_by", "locked", "name", "brief")
            read_only_fields = ("locked",)

        def get_created_by(self, row):
            return row.created_by.username

    class Row(Full):
        class Meta:
            model = Project
            fields = ("id", "created_at", "created_by", "locked", "name")

    def rows(self, request):
        rows = Project.objects.filter(organisation=request.user.member.organisation_id)
        return rows.select_related("created_by").order_by("pk")

    def list(self, request):
        rows = self.rows(request)
        if since := parse_date(request.query_params.get("since", "")):
            rows = rows.filter(created_at__date__gte=since)
        if until := parse_date(request.query_params.get("until", "")):
            rows = rows.filter(created_at__date__lte=until)
        pages = PageNumberPagination()
        pages.page_size = 20
        page = pages.paginate_queryset(rows, request)
        return pages.get_paginated_response(self.Row(page, many=True).data)

    def retrieve(self, request, pk):
        return Response(self.Full(get_object_or_404(self.rows(request), pk=pk)).data)

    def create(self, request):
        serializer = self.Full(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save(organisation=request.user.member.organisation, created_by=request.user)
        return Response(serializer.data, status=201)

    def update(self, request, pk, partial=False):
        row = get_object_or_404(self.rows(request), pk=pk)
        serializer = self.Full(row, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data)

    def partial_update(self, request, pk):
        return self.update(request, pk, partial=True)

    def destroy(self, request, pk):
        get_object_or_404(self.rows(request), pk=pk).delete()
        return Response(status=204)


class PastedInvoiceViewSet(PastedProjectViewSet):
    class Full(PastedProjectViewSet.Full):
        class Meta:
            model = Invoice
            fields = ("id", "created_at", "created_by", "locked", "number", "total")
            read_only_fields = ("locked",)

    Row = Full

    def rows(self, request):
        rows = Invoice.objects.filter(organisation=request.user.member.organisation_id)
        return rows.select_related("created_by").order_by("pk")


class Before:
    router = SimpleRouter()
    router.register("projects", PastedProjectViewSet, basename="project")
    router.register("invoices", PastedInvoiceViewSet, basename="invoice")
    urlpatterns = (path("", include(router.urls)),)


def member_of(name):
    user = User.objects.create_user(name)
    Member.objects.create(user=user, organisation=Organisation.objects.create(name=name))
    return user


@pytest.fixture
def ours():
    return member_of("ours")


@pytest.fixture
def theirs():
    return member_of("theirs")


@pytest.fixture(params=["before", "after"])
def client(request, settings, ours):
    """The same tests run against the old and the new code."""
    settings.ROOT_URLCONF = Before if request.param == "before" else "config.urls"
    expected = PastedProjectViewSet if request.param == "before" else ProjectViewSet
    assert resolve("/projects/").func.cls is expected
    client = APIClient()
    client.force_authenticate(ours)
    return client


def project(user, **fields):
    return Project.objects.create(organisation=user.member.organisation, created_by=user, **fields)


def shown(row):
    return {
        "id": row.pk,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "created_by": row.created_by.username,
        "locked": row.locked,
    }


class TestTheSameBeforeAndAfter:
    def test_a_list_has_pages_of_20_own_rows_and_costs_what_it_did(self, client, ours, theirs):
        rows = [project(ours, name=f"P{number}", brief="long") for number in range(21)]
        project(theirs, name="secret")
        client.get("/projects/")  # loads the member once
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/projects/").json()
        assert len(queries) == 2
        assert (page["count"], len(page["results"])) == (21, 20)
        assert json.dumps(page["results"][0]) == json.dumps({**shown(rows[0]), "name": "P0"})
        assert len(client.get("/projects/?page=2").json()["results"]) == 1

    def test_the_period_filters(self, client, ours):
        old, new = project(ours, name="old"), project(ours, name="new")
        Project.objects.filter(pk=old.pk).update(created_at="2026-01-31T12:00Z")
        Project.objects.filter(pk=new.pk).update(created_at="2026-02-01T12:00Z")
        for query, names in [
            ("since=2026-02-01", ["new"]),
            ("until=2026-01-31", ["old"]),
            ("since=2026-01-01&until=2026-12-31", ["old", "new"]),
        ]:
            results = client.get(f"/projects/?{query}").json()["results"]
            assert [row["name"] for row in results] == names

    def test_a_single_row_has_its_brief(self, client, ours):
        row = project(ours, name="P", brief="long")
        body = client.get(f"/projects/{row.pk}/").json()
        assert json.dumps(body) == json.dumps({**shown(row), "name": "P", "brief": "long"})

    def test_a_new_row_belongs_to_the_callers_organisation_and_is_not_locked(self, client, ours):
        body = {"number": "I-1", "total": "5.00", "locked": True, "organisation": 99}
        response = client.post("/invoices/", body)
        row = Invoice.objects.get()
        assert response.status_code == 201
        assert response.json() == {**shown(row), "number": "I-1", "total": "5.00"}
        assert (row.organisation, row.created_by, row.locked) == (ours.member.organisation, ours, False)

    def test_changes_and_refusals_are_the_same(self, client, ours):
        row = project(ours, name="P")
        url = f"/projects/{row.pk}/"
        assert client.post("/projects/", {}).json() == {"name": ["This field is required."]}
        assert client.put(url, {"brief": "b"}).status_code == 400
        assert client.patch(url, {"brief": "b", "locked": True}).json()["brief"] == "b"
        row.refresh_from_db()
        assert (row.brief, row.locked) == ("b", False)
        assert client.delete(url).status_code == 204
        assert client.get(url).status_code == 404

    def test_rows_of_others_do_not_exist(self, client, theirs):
        url = f"/projects/{project(theirs, name='secret').pk}/"
        answers = (client.get(url), client.patch(url, {"name": "x"}), client.delete(url))
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert Project.objects.get().name == "secret"

    def test_nobody_gets_in_without_logging_in(self, client):
        client.force_authenticate(None)
        assert client.get("/projects/").status_code == 403


class TestTheSharedParts:
    def test_a_user_without_an_organisation_is_refused_rather_than_a_crash(self):
        client = APIClient()
        client.force_authenticate(User.objects.create_user("loner"))
        assert client.get("/projects/").status_code == 403
        assert client.post("/projects/", {"name": "P"}).status_code == 403

    def test_each_action_has_its_serializer(self):
        def chosen(viewset, name):
            return viewset(action=name).get_serializer_class()

        assert chosen(ProjectViewSet, "list") is ProjectRowSerializer
        assert chosen(ProjectViewSet, "partial_update") is ProjectSerializer
        assert chosen(InvoiceViewSet, "list") is InvoiceViewSet.serializer_class

    def test_the_filter_serves_every_model(self):
        assert {ProjectViewSet.filterset_class, InvoiceViewSet.filterset_class} == {PeriodFilter}
        for model in (Project, Invoice):
            assert PeriodFilter({"since": "2999-01-01"}, model.objects.all()).qs.count() == 0

    def test_the_project_has_one_base_of_two_mixins(self):
        assert TenantViewSet.__mro__[1:3] == (TenantMixin, ActionSerializerMixin)


def listed(viewset, user, name="list"):
    request = APIRequestFactory().get("/")
    force_authenticate(request, user)
    response = viewset.as_view({"get": name})(request)
    assert response.status_code == 200
    return response.data


class TestMistakes:
    @pytest.fixture(autouse=True)
    def secret(self, theirs):
        return project(theirs, name="secret")

    def test_a_mixin_on_the_right_is_never_called_and_every_tenant_is_shown(self, ours):
        class Naive(viewsets.ModelViewSet, TenantMixin):
            queryset = Project.objects.order_by("pk")
            serializer_class = ProjectRowSerializer

        assert listed(Naive, ours)["results"][0]["name"] == "secret"
        assert listed(ProjectViewSet, ours)["results"] == []

    def test_a_base_before_its_own_subclass_is_refused(self):
        with pytest.raises(TypeError, match="consistent method resolution"):
            type("Naive", (viewsets.GenericViewSet, TenantViewSet), {})

    def test_a_mixin_without_super_cuts_off_the_next(self, ours):
        class Ordered:
            def get_queryset(self):
                return Project.objects.order_by("name")

        naive = type("Naive", (Ordered, TenantViewSet), {"serializer_class": ProjectRowSerializer})
        assert len(listed(naive, ours)["results"]) == 1

    def test_a_meta_of_its_own_makes_a_read_only_field_writable(self):
        class Naive(AuditedSerializer):
            class Meta:
                model = Project
                fields = (*AuditedSerializer.Meta.fields, "name")

        assert Naive().fields["locked"].read_only is False
        assert ProjectSerializer().fields["locked"].read_only is True
        naive = Naive(data={"name": "P", "locked": True})
        assert naive.is_valid()
        assert naive.validated_data["locked"] is True

    def test_a_filter_backend_is_not_run_by_an_action_on_the_queryset(self, ours):
        class TenantBackend(filters.BaseFilterBackend):
            def filter_queryset(self, request, queryset, view):
                return queryset.for_user(request.user)

        class WithAction(viewsets.ModelViewSet):
            queryset = Project.objects.order_by("pk")
            serializer_class = ProjectRowSerializer
            filter_backends = (TenantBackend,)

            @action(detail=False)
            def names(self, request):
                return Response([row.name for row in self.get_queryset()])

        class Right(TenantMixin, WithAction):
            filter_backends = ()

        assert listed(WithAction, ours)["results"] == []
        assert listed(WithAction, ours, "names") == ["secret"]
        assert listed(Right, ours, "names") == []

    def test_the_test_of_the_answer_finds_an_endpoint_that_forgot_the_mixin(self, monkeypatch):
        from crm.tests import EveryEndpointTests

        User.objects.all().update(username="other")
        monkeypatch.setattr(TenantViewSet, "get_queryset", viewsets.ModelViewSet.get_queryset, raising=False)
        case = EveryEndpointTests("test_no_endpoint_shows_rows_of_another_organisation")
        case.client = APIClient()
        case.setUp()
        with pytest.raises(AssertionError, match="Lists differ"):
            case.test_no_endpoint_shows_rows_of_another_organisation()
