"""Scenario 9: a document is built once; who gets it from which cache, with and without a key."""

import subprocess
import sys
from functools import partial
from unittest import mock

import pytest
from catalog import calculation, documents, public
from catalog.access import ApiKeyAuthentication, HasApiKey
from catalog.imports import import_prices
from catalog.models import Price, Tenant
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import transaction
from django.db.models.signals import post_save
from django.test import Client
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_headers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

NEEDS = ("redis",)

pytestmark = pytest.mark.django_db

IMPORTS = """
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
"""

A = {"X-Api-Key": "change-me-a"}
B = {"X-Api-Key": "change-me-b"}


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def tenants():
    return [
        Tenant.objects.create(name=name, api_key=headers["X-Api-Key"])
        for name, headers in (("a", A), ("b", B))
    ]


@pytest.fixture
def a(tenants):
    tenant = tenants[0]
    Price.objects.create(tenant=tenant, sku="cup", net="10.00")
    return tenant


@pytest.fixture
def serve(settings):
    """Put a view at /naive/ for this test."""

    def at_naive(view):
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("naive/", view)]})

    return at_naive


@pytest.fixture
def price_list(monkeypatch):
    """Counts how often the expensive calculation runs."""
    counting = mock.Mock(wraps=calculation.price_list)
    monkeypatch.setattr(documents, "price_list", counting)
    return counting


class Protected(APIView):
    """The naive view's body: DRF checks the key, the content is the tenant's."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (HasApiKey,)

    def get(self, request):
        return Response({"tenant": request.auth.name})


class TestTheDocument:
    def test_it_is_calculated_once_for_many_requests(self, client, a, price_list):
        bodies = {client.get("/prices/", headers=A).content for _ in range(5)}
        assert price_list.call_count == 1
        assert len(bodies) == 1

    def test_a_hit_encodes_nothing(self, client, a, monkeypatch):
        client.get("/prices/", headers=A)
        render = mock.Mock(side_effect=AssertionError("rendered"))
        monkeypatch.setattr(JSONRenderer, "render", render)
        response = client.get("/prices/", headers=A)
        assert response.json()["prices"] == [
            {"sku": "cup", "gross": {"DE": "11.90", "FR": "12.00", "LU": "11.70"}}
        ]
        assert response.headers["Content-Type"] == "application/json"

    def test_a_cached_dict_is_encoded_again_on_every_request(self, client, a, monkeypatch, serve):
        class CachesTheDict(Protected):
            def get(self, request):
                return Response(cache.get_or_set("dict", partial(calculation.price_list, request.auth), 60))

        serve(CachesTheDict.as_view())
        calls = []
        render = JSONRenderer.render
        monkeypatch.setattr(
            JSONRenderer, "render", lambda *args, **kwargs: calls.append(1) or render(*args, **kwargs)
        )
        for _ in range(3):
            client.get("/naive/", headers=A)
        assert len(calls) == 3

    def test_without_a_key_the_warm_document_is_refused_and_each_tenant_has_its_own(self, client, tenants):
        assert client.get("/prices/", headers=A).json()["tenant"] == "a"
        assert client.get("/prices/", headers=B).json()["tenant"] == "b"
        assert client.get("/prices/").status_code == 403

    def test_a_revoked_key_is_refused_at_once(self, client, a):
        assert client.get("/prices/", headers=A).status_code == 200
        Tenant.objects.update(active=False)
        assert client.get("/prices/", headers=A).status_code == 403

    def test_a_client_with_a_current_copy_gets_304_and_no_body(self, client, a):
        first = client.get("/prices/", headers=A)
        again = client.get("/prices/", headers={**A, "If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert first.headers["Cache-Control"] == "private, no-cache"

    def test_304_is_not_for_a_stranger_who_knows_the_etag(self, client, a):
        etag = client.get("/prices/", headers=A).headers["ETag"]
        assert client.get("/prices/", headers={"If-None-Match": etag}).status_code == 403

    def test_json_is_all_it_speaks(self, client, a):
        assert client.get("/prices/", headers={**A, "Accept": "text/html"}).headers["Content-Type"] == (
            "application/json"
        )


class TestRenewal:
    @pytest.mark.django_db(transaction=True)
    def test_after_an_import_the_next_request_has_the_new_prices_without_calculating(
        self, client, a, price_list
    ):
        old = client.get("/prices/", headers=A)
        import_prices(a, [{"sku": "jug", "net": "20.00"}])
        assert price_list.call_count == 2
        new = client.get("/prices/", headers={**A, "If-None-Match": old.headers["ETag"]})
        assert new.status_code == 200
        assert [row["sku"] for row in new.json()["prices"]] == ["jug"]
        assert price_list.call_count == 2

    @pytest.mark.django_db(transaction=True)
    def test_an_import_that_is_rolled_back_leaves_the_document_alone(self, client, a):
        old = client.get("/prices/", headers=A).json()
        with transaction.atomic():
            import_prices(a, [{"sku": "jug", "net": "20.00"}])
            transaction.set_rollback(True)
        assert client.get("/prices/", headers=A).json() == old

    @pytest.mark.django_db(transaction=True)
    def test_refreshing_inside_the_transaction_keeps_prices_that_never_were(self, client, a):
        with transaction.atomic():
            a.prices.update(net="99.00")
            documents.refresh(a)
            transaction.set_rollback(True)
        assert client.get("/prices/", headers=A).json()["prices"][0]["gross"]["FR"] == "118.80"
        assert a.prices.get().net == 10

    def test_a_slow_miss_does_not_overwrite_a_refresh_that_came_between(self, a, monkeypatch):
        def slow(tenant):
            old = calculation.price_list(tenant)
            monkeypatch.setattr(documents, "price_list", calculation.price_list)
            a.prices.update(net="20.00")
            documents.refresh(tenant)
            return old

        monkeypatch.setattr(documents, "price_list", slow)
        assert b'"FR":"24.00"' in documents.read(a)["body"]
        assert b'"FR":"24.00"' in documents.read(a)["body"]

    def test_get_then_set_would_overwrite_it(self, a):
        old = documents.build(a)
        a.prices.update(net="20.00")
        documents.refresh(a)
        cache.set(documents.key(a), old, 60)
        assert b'"FR":"12.00"' in documents.read(a)["body"]

    def test_update_and_bulk_create_send_no_signal(self, a):
        received = []

        def listen(**kwargs):
            received.append(kwargs)

        post_save.connect(listen, sender=Price)
        try:
            a.prices.update(net="20.00")
            Price.objects.bulk_create([Price(tenant=a, sku="jug", net="1.00")])
            assert received == []
            a.prices.first().save()
            assert len(received) == 1
        finally:
            post_save.disconnect(listen, sender=Price)


class TestThePublicTable:
    def test_it_is_calculated_once_and_any_shared_cache_may_keep_it(self, client, monkeypatch):
        counting = mock.Mock(wraps=calculation.tax_table)
        monkeypatch.setattr(public, "tax_table", counting)
        responses = [client.get("/tax-table/") for _ in range(3)]
        assert counting.call_count == 1
        for response in responses:
            assert response.json() == {"DE": "19.00%", "FR": "20.00%", "LU": "17.00%"}
            directives = set(response.headers["Cache-Control"].split(", "))
            assert directives == {"public", "max-age=300"}
            assert "Cookie" not in response.headers.get("Vary", "")

    def test_hit_or_miss_a_current_copy_is_answered_with_304(self, client):
        etag = client.get("/tax-table/").headers["ETag"]
        for _ in range(2):
            assert client.get("/tax-table/", headers={"If-None-Match": etag}).status_code == 304

    def test_with_default_authentication_it_varies_on_cookies(self, client, serve):
        serve(type("Sessions", (public.TaxTableView,), {"authentication_classes": DEFAULTS}).as_view())
        assert "Cookie" in client.get("/naive/").headers["Vary"]

    def test_every_other_query_string_is_a_miss(self, client, monkeypatch):
        counting = mock.Mock(wraps=calculation.tax_table)
        monkeypatch.setattr(public, "tax_table", counting)
        for number in range(3):
            client.get("/tax-table/", {"_": number})
        assert counting.call_count == 3


DEFAULTS = APIView.authentication_classes


def on_dispatch():
    @method_decorator(cache_page(300), name="dispatch")
    class OnDispatch(Protected):
        pass

    return OnDispatch.as_view()


def in_urls():
    return cache_page(300)(Protected.as_view())


def above_api_view():
    @cache_page(300)
    @api_view(["GET"])
    @authentication_classes([ApiKeyAuthentication])
    @permission_classes([HasApiKey])
    def view(request):
        return Response({"tenant": request.auth.name})

    return view


def on_get():
    class OnGet(Protected):
        @method_decorator(cache_page(300))
        def get(self, request):
            return Response({"tenant": request.auth.name})

    return OnGet.as_view()


def varied():
    @method_decorator(cache_page(300), name="dispatch")
    @method_decorator(vary_on_headers("Authorization", "X-Api-Key"), name="dispatch")
    class Varied(Protected):
        pass

    return Varied.as_view()


class TestCachePageAroundAProtectedView:
    @pytest.mark.parametrize("naive", [on_dispatch, in_urls, above_api_view])
    def test_cold_it_refuses_and_warm_it_hands_one_tenants_data_to_anybody(
        self, client, tenants, serve, naive
    ):
        serve(naive())
        assert client.get("/naive/").status_code == 403
        assert client.get("/naive/", headers=A).json() == {"tenant": "a"}
        keyless = client.get("/naive/")
        assert (keyless.status_code, keyless.json()) == (200, {"tenant": "a"})
        assert client.get("/naive/", headers=B).json() == {"tenant": "a"}

    def test_on_get_the_key_is_checked_but_tenants_share_the_entry(self, client, tenants, serve):
        serve(on_get())
        assert client.get("/naive/", headers=A).json() == {"tenant": "a"}
        assert client.get("/naive/").status_code == 403
        assert client.get("/naive/", headers=B).json() == {"tenant": "a"}

    def test_vary_on_headers_separates_them(self, client, tenants, serve):
        serve(varied())
        assert client.get("/naive/", headers=A).json() == {"tenant": "a"}
        assert client.get("/naive/", headers=B).json() == {"tenant": "b"}
        assert client.get("/naive/").status_code == 403
        # Django before 5.2.19 and 6.1.3 took an empty header for an absent one (CVE-2026-113593).
        assert client.get("/naive/", headers={"X-Api-Key": ""}).status_code == 403

    def test_but_a_revoked_key_goes_on_working(self, client, tenants, serve):
        serve(varied())
        client.get("/naive/", headers=A)
        Tenant.objects.update(active=False)
        assert client.get("/naive/", headers=A).status_code == 200

    def test_django_varies_on_authorization_by_itself_but_not_on_the_api_key(self, client, tenants, serve):
        serve(on_dispatch())
        response = client.get("/naive/", headers={**A, "Authorization": "Token change-me"})
        assert "Authorization" in response.headers["Vary"]
        assert "X-Api-Key" not in response.headers["Vary"]

    def session_view(self):
        def get(self, request):
            return Response({"user": request.user.username})

        return cache_page(300)(type("Me", (APIView,), {"get": get}).as_view())

    def test_a_logged_in_users_page_is_given_to_the_next_visitor(self, client, serve):
        serve(self.session_view())
        client.force_login(User.objects.create_user("ann"))
        mine = client.get("/naive/")
        assert mine.json() == {"user": "ann"}
        assert "Cookie" in mine.headers["Vary"]
        assert Client().get("/naive/").json() == {"user": "ann"}

    def test_private_keeps_it_out_of_the_cache(self, client, serve):
        def get(self, request):
            headers = {"Cache-Control": "private"}
            return Response({"user": request.user.username}, headers=headers)

        serve(cache_page(300)(type("Me", (APIView,), {"get": get}).as_view()))
        client.force_login(User.objects.create_user("ann"))
        assert client.get("/naive/").json() == {"user": "ann"}
        assert Client().get("/naive/").json() == {"user": ""}


class TestTheSharedCache:
    def in_another_process(self, expression):
        code = f"import django; django.setup()\n{IMPORTS}\nprint({expression})"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return run.stdout.strip()

    def test_what_one_process_puts_into_redis_another_reads(self):
        cache.set("shared", "seen", 60)
        assert self.in_another_process("cache.get('shared')") == "seen"

    def test_what_one_process_puts_into_local_memory_it_keeps_to_itself(self):
        LocMemCache("", {}).set("shared", "seen", 60)
        assert LocMemCache("", {}).get("shared") == "seen"
        assert self.in_another_process("LocMemCache('', {}).get('shared')") == "None"
