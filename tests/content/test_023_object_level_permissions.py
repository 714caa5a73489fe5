"""Scenario 23: a stranger sends every request that an owner may send, also past the naive versions."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import include, path
from market.models import Listing, Photo
from market.permissions import IsOwnerOrReadOnly
from market.sellers import SellerListing
from market.serializers import ListingSerializer, PhotoSerializer
from market.views import ListingViewSet
from rest_framework import generics, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import DjangoObjectPermissions, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient
from rest_framework.views import APIView

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return get_user_model().objects.create_user("alice")


@pytest.fixture
def bob():
    return get_user_model().objects.create_user("bob")


@pytest.fixture
def draft(alice):
    return Listing.objects.create(owner=alice, title="Sofa", slug="sofa")


@pytest.fixture
def public(alice):
    return Listing.objects.create(owner=alice, title="Lamp", slug="lamp", published=True)


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def serve(settings, **routes):
    """Make the given views the whole site: view sets under a router, views at listings/<pk>/."""
    router, patterns = SimpleRouter(), []
    for name, view in routes.items():
        if issubclass(view, viewsets.ViewSetMixin):
            router.register(name, view, basename=name)
        else:
            patterns.append(path(f"{name}/<int:pk>/", view.as_view()))
            patterns.append(path(f"{name}/", view.as_view()))
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [*patterns, path("", include(router.urls))]})


class TestTheOwner:
    def test_sees_updates_publishes_and_deletes_what_is_hers(self, alice, draft):
        client = client_of(alice)
        assert [row["id"] for row in client.get("/listings/").json()] == [draft.pk]
        assert client.patch(f"/listings/{draft.pk}/", {"title": "Couch"}).json()["title"] == "Couch"
        assert client.post(f"/listings/{draft.pk}/publish/").json()["published"] is True
        assert client.delete(f"/listings/{draft.pk}/").status_code == 204

    def test_is_whoever_sends_the_request_and_not_whom_the_body_names(self, alice, bob):
        body = {"title": "Desk", "slug": "desk", "owner": alice.pk}
        response = client_of(bob).post("/listings/", body)
        assert (response.status_code, response.json()["owner"]) == (201, bob.pk)

    def test_cannot_give_a_listing_away(self, alice, bob, draft):
        client_of(alice).patch(f"/listings/{draft.pk}/", {"owner": bob.pk})
        draft.refresh_from_db()
        assert draft.owner == alice


class TestAStranger:
    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
    def test_gets_404_for_a_draft_exactly_as_for_an_id_that_does_not_exist(self, bob, draft, method):
        send = getattr(client_of(bob), method)
        hidden, missing = send(f"/listings/{draft.pk}/"), send(f"/listings/{draft.pk + 1000}/")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json() == missing.json()

    def test_reads_a_published_listing_and_gets_403_on_writing_it(self, bob, public):
        client = client_of(bob)
        assert client.get(f"/listings/{public.pk}/").status_code == 200
        assert client.put(f"/listings/{public.pk}/", {"title": "x", "slug": "x"}).status_code == 403

    def test_cannot_use_the_extra_action(self, bob, draft, public):
        client = client_of(bob)
        assert client.post(f"/listings/{draft.pk}/publish/").status_code == 404
        assert client.post(f"/listings/{public.pk}/publish/").status_code == 403

    def test_sees_no_draft_in_the_list(self, bob, draft, public):
        assert [row["id"] for row in client_of(bob).get("/listings/").json()] == [public.pk]

    @pytest.mark.parametrize(("published", "read", "write"), [(False, 404, 404), (True, 200, 403)])
    def test_is_stopped_by_the_overridden_get_object_too(self, bob, draft, published, read, write):
        Listing.objects.update(published=published)
        client = client_of(bob)
        assert client.get("/sellers/alice/sofa/").status_code == read
        assert client.patch("/sellers/alice/sofa/", {"title": "x"}).status_code == write

    def test_who_is_anonymous_sees_nothing_at_all(self, public):
        assert APIClient().get("/listings/").status_code == 403
        assert APIClient().get(f"/listings/{public.pk}/").status_code == 403

    def test_cannot_hang_a_photo_on_a_listing_of_another(self, bob, alice, public, settings):
        class Photos(generics.CreateAPIView):
            serializer_class = PhotoSerializer
            permission_classes = (IsAuthenticated,)

        serve(settings, photos=Photos)
        body = {"listing": public.pk, "url": "https://img.example/1"}
        refused = client_of(bob).post("/photos/", body)
        assert refused.status_code == 400
        assert "does not exist" in refused.json()["listing"][0]
        assert client_of(alice).post("/photos/", body).status_code == 201

    def test_gets_404_for_everything_if_the_queryset_is_what_he_owns(self, bob, public, settings):
        class Private(ListingViewSet):
            def get_queryset(self):
                return Listing.objects.owned_by(self.request.user)

        serve(settings, listings=Private)
        assert client_of(bob).get(f"/listings/{public.pk}/").status_code == 404
        assert client_of(bob).patch(f"/listings/{public.pk}/").status_code == 404


def test_the_owner_of_the_seller_view_can_update(alice, draft):
    response = client_of(alice).patch("/sellers/alice/sofa/", {"title": "Couch"})
    assert (response.status_code, response.json()["title"]) == (200, "Couch")


def test_comparing_ids_saves_the_query_that_loads_the_owner(draft, django_assert_num_queries):
    listing = Listing.objects.get(pk=draft.pk)
    request = type("Request", (), {"method": "PUT", "user": get_user_model()(pk=draft.owner_id)})
    with django_assert_num_queries(0):
        assert IsOwnerOrReadOnly().has_object_permission(request, None, listing)
    with django_assert_num_queries(1):
        assert listing.owner == request.user


class TestModerators:
    def test_composed_permissions_let_staff_write_what_visible_to_shows_them(
        self, bob, public, draft, settings
    ):
        class Moderated(ListingViewSet):
            permission_classes = (IsAuthenticated, IsOwnerOrReadOnly | IsAdminUser)

        serve(settings, listings=Moderated)
        staff = get_user_model().objects.create_user("carol", is_staff=True)
        assert client_of(staff).patch(f"/listings/{public.pk}/", {"title": "y"}).status_code == 200
        assert client_of(staff).patch(f"/listings/{draft.pk}/", {"title": "y"}).status_code == 404
        assert client_of(bob).patch(f"/listings/{public.pk}/", {"title": "y"}).status_code == 403


class TestMistakes:
    def test_an_overridden_get_object_without_the_check_lets_strangers_write(self, bob, public, settings):
        class Naive(ListingViewSet):
            def get_object(self):
                return generics.get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])

        serve(settings, listings=Naive)
        response = client_of(bob).patch(f"/listings/{public.pk}/", {"title": "stolen"})
        assert (response.status_code, response.json()["title"]) == (200, "stolen")

    def test_without_its_one_line_the_view_of_the_answer_lets_strangers_write(self, bob, public, monkeypatch):
        monkeypatch.setattr(SellerListing, "check_object_permissions", lambda *args: None)
        assert client_of(bob).patch("/sellers/alice/lamp/", {"title": "stolen"}).status_code == 200

    def test_an_api_view_that_queries_itself_never_asks_the_permission(self, bob, draft, settings):
        class Naive(APIView):
            permission_classes = (IsAuthenticated, IsOwnerOrReadOnly)

            def put(self, request, pk):
                Listing.objects.filter(pk=pk).update(title=request.data["title"])
                return Response()

        serve(settings, listings=Naive)
        assert client_of(bob).put(f"/listings/{draft.pk}/", {"title": "stolen"}).status_code == 200
        draft.refresh_from_db()
        assert draft.title == "stolen"

    def test_an_action_that_queries_itself_never_asks_the_permission(self, bob, draft, settings):
        class Naive(ListingViewSet):
            @action(detail=True, methods=["post"])
            def publish(self, request, pk=None):
                Listing.objects.filter(pk=pk).update(published=True)
                return Response()

        serve(settings, listings=Naive)
        assert client_of(bob).post(f"/listings/{draft.pk}/publish/").status_code == 200
        draft.refresh_from_db()
        assert draft.published

    def test_the_object_permission_alone_leaves_list_and_reads_open(self, bob, draft, settings):
        class Naive(ListingViewSet):
            def get_queryset(self):
                return Listing.objects.all()

        serve(settings, listings=Naive)
        client = client_of(bob)
        assert [row["id"] for row in client.get("/listings/").json()] == [draft.pk]
        assert client.get(f"/listings/{draft.pk}/").json()["title"] == "Sofa"
        assert client.patch(f"/listings/{draft.pk}/").status_code == 403

    def test_even_a_permission_that_refuses_every_object_does_not_empty_the_list(self, bob, draft, settings):
        class Never(IsOwnerOrReadOnly):
            def has_object_permission(self, request, view, obj):
                return False

        class Naive(viewsets.ModelViewSet):
            queryset = Listing.objects.order_by("pk")
            serializer_class = ListingSerializer
            permission_classes = (Never,)

        serve(settings, listings=Naive)
        assert len(client_of(bob).get("/listings/").json()) == 1
        assert client_of(bob).get(f"/listings/{draft.pk}/").status_code == 403

    def test_a_bulk_delete_takes_rows_of_others_unless_it_starts_from_what_one_owns(self, alice, bob, draft):
        ids = [draft.pk, Listing.objects.create(owner=bob, title="Mine", slug="mine").pk]
        naive = Listing.objects.filter(pk__in=ids)
        assert {listing.owner for listing in naive} == {alice, bob}
        Listing.objects.owned_by(bob).filter(pk__in=ids).delete()
        assert list(Listing.objects.all()) == [draft]

    def test_a_writable_owner_is_whoever_the_client_names(self, alice, bob, settings):
        class Careless(serializers.ModelSerializer):
            class Meta:
                model = Listing
                fields = ("id", "owner", "title", "slug")

        class Naive(viewsets.ModelViewSet):
            queryset = Listing.objects.all()
            serializer_class = Careless

        serve(settings, listings=Naive)
        body = {"title": "x", "slug": "x", "owner": alice.pk}
        assert client_of(bob).post("/listings/", body).json()["owner"] == alice.pk
        mine = Listing.objects.create(owner=bob, title="Mine", slug="mine")
        client_of(bob).patch(f"/listings/{mine.pk}/", {"owner": alice.pk})
        mine.refresh_from_db()
        assert mine.owner == alice

    def test_a_foreign_key_as_drf_makes_it_takes_the_id_of_any_row(self, draft):
        class Careless(serializers.ModelSerializer):
            class Meta:
                model = Photo
                fields = ("listing", "url")

        assert Careless(data={"listing": draft.pk, "url": "https://img.example/1"}).is_valid()

    def test_django_object_permissions_demands_nothing_for_reading(self):
        demanded = DjangoObjectPermissions().get_required_object_permissions
        assert demanded("GET", Listing) == []
        assert demanded("PUT", Listing) == ["market.change_listing"]
