"""Scenario 41: the docs are served; where do their assets come from, who may read, what does a CSP say?"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles.finders import AppDirectoriesFinder
from django.test import Client
from django.urls import path
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, spectacular_settings
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
    SpectacularSwaggerView,
)
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import AllowAny, IsAdminUser
from rooms.models import Room
from rooms.views import RoomSerializer, RoomViewSet

pytestmark = pytest.mark.django_db


class Assets(HTMLParser):
    """Which URLs a page loads, and how many scripts and styles it has in itself."""

    def __init__(self, response):
        super().__init__()
        self.urls, self.inline = [], []
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        url = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if url:
            self.urls.append(url)
        elif tag in ("script", "style"):
            self.inline.append(tag)


@pytest.fixture
def staff(client, django_user_model):
    client.force_login(django_user_model.objects.create(username="staff", is_staff=True))
    return client


@pytest.fixture
def mount(settings):
    """Put these views in the place of the answer's."""

    def serve(**views):
        patterns = [path(f"{name}/", view, name=name) for name, view in views.items()]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": patterns})

    return serve


def script_of(client):
    """The script of Swagger UI, which the split view serves apart from the page."""
    (url,) = [url for url in Assets(client.get("/api/docs/")).urls if "script=" in url]
    response = client.get(url)
    assert response.headers["Content-Type"].startswith("application/javascript")
    return response.content.decode()


class TestTheAssets:
    def test_swagger_ui_loads_nothing_from_outside(self, staff):
        page = Assets(staff.get("/api/docs/"))
        assert len(page.urls) >= 4
        assert all(url.startswith("/") for url in page.urls)
        assert 'url: "/api/schema/"' in script_of(staff).replace("\\u002D", "-")

    def test_by_default_both_come_from_a_cdn_in_whatever_version_is_the_latest(self):
        for name in ("SWAGGER_UI_DIST", "REDOC_DIST"):
            assert SPECTACULAR_DEFAULTS[name].startswith("https://cdn.jsdelivr.net/")
            assert SPECTACULAR_DEFAULTS[name].endswith("@latest")

    def test_redoc_takes_its_script_from_the_sidecar_but_its_fonts_from_google(self, staff):
        urls = Assets(staff.get("/api/redoc/")).urls
        assert "/static/drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js" in urls
        assert any(url.startswith("https://fonts.googleapis.com/") for url in urls)

    def test_the_bundle_of_redoc_names_the_cdn_of_its_logo(self):
        bundle = AppDirectoriesFinder().find("drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js")
        assert "https://cdn.redoc.ly/redoc/logo-mini.svg" in Path(bundle).read_text("utf-8")

    def test_without_the_app_no_file_is_found(self, settings):
        file = "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
        assert AppDirectoriesFinder().find(file)
        settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "sidecar" not in app]
        assert not AppDirectoriesFinder().find(file)


class TestTheSchema:
    def test_a_changed_serializer_is_on_the_page_without_further_ado(self, staff, monkeypatch):
        assert "door_code" not in staff.get("/api/schema/").content.decode()
        monkeypatch.setattr(RoomSerializer.Meta, "fields", ["id", "name", "door_code"])
        assert "door_code" in staff.get("/api/schema/").content.decode()

    def test_the_schema_itself_is_not_listed(self, staff):
        assert "/api/schema/" not in staff.get("/api/schema/").content.decode()


class TestTheReaders:
    def test_by_default_anyone_reads_the_schema_of_a_protected_api(self, client, mount):
        assert SPECTACULAR_DEFAULTS["SERVE_PERMISSIONS"] == ["rest_framework.permissions.AllowAny"]
        mount(schema=SpectacularAPIView.as_view(permission_classes=[AllowAny]))
        assert client.get("/schema/").status_code == 200

    def test_whoever_is_not_staff_is_refused(self, client, django_user_model):
        client.force_login(django_user_model.objects.create(username="customer"))
        assert client.get("/api/docs/").status_code == 403

    def test_an_api_that_takes_tokens_only_refuses_admins_in_the_browser(self, staff, mount):
        only = {"permission_classes": [IsAdminUser], "authentication_classes": [TokenAuthentication]}
        mount(docs=SpectacularSwaggerSplitView.as_view(**only), schema=SpectacularAPIView.as_view(**only))
        assert staff.get("/docs/").status_code == staff.get("/schema/").status_code == 401
        assert SPECTACULAR_DEFAULTS["SERVE_AUTHENTICATION"] is None  # so the API's own classes count

    def test_a_permission_on_the_page_alone_leaves_the_schema_open(self, client, mount):
        mount(
            docs=SpectacularSwaggerSplitView.as_view(permission_classes=[IsAdminUser]),
            schema=SpectacularAPIView.as_view(permission_classes=[AllowAny]),
        )
        assert client.get("/docs/").status_code == 403
        assert client.get("/schema/").status_code == 200

    def test_serve_public_false_leaves_out_what_the_reader_may_not_call(self, staff, mount):
        mount(
            schema=SpectacularAPIView.as_view(permission_classes=[AllowAny], serve_public=False),
            rooms=RoomViewSet.as_view({"get": "list"}),
        )
        assert "/rooms/" in staff.get("/schema/").content.decode()
        assert "/rooms/" not in Client().get("/schema/").content.decode()


class TestExecute:
    def test_it_acts_with_the_session_of_the_reader(self, django_user_model):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(django_user_model.objects.create(username="staff", is_staff=True))
        room = Room.objects.create(name="Ada", seats=4)
        assert browser.delete(f"/api/rooms/{room.pk}/").status_code == 403
        # The script of the page hands Django's CSRF token to every request that writes.
        token = re.search(r'request.headers\["X-CSRFTOKEN"\] = "(\w+)"', script_of(browser), re.IGNORECASE)
        assert browser.delete(f"/api/rooms/{room.pk}/", headers={"x-csrftoken": token[1]}).status_code == 204
        assert not Room.objects.exists()

    def test_the_setting_of_the_answer_reaches_swagger_ui(self, staff, monkeypatch):
        assert "supportedSubmitMethods" not in script_of(staff)
        monkeypatch.setattr(spectacular_settings, "SWAGGER_UI_SETTINGS", {"supportedSubmitMethods": ["get"]})
        script = "".join(script_of(staff).split())
        assert '"supportedSubmitMethods":["get"]' in script


class TestContentSecurityPolicy:
    def test_only_the_split_view_has_no_script_of_its_own(self, staff, mount):
        assert "script" not in Assets(staff.get("/api/docs/")).inline
        mount(docs=SpectacularSwaggerView.as_view(), schema=SpectacularAPIView.as_view())
        assert "script" in Assets(staff.get("/docs/")).inline

    def test_both_views_style_inline(self, staff):
        assert "style" in Assets(staff.get("/api/docs/")).inline

    @pytest.mark.django("6.1")
    def test_the_policy_is_relaxed_for_this_page_only(self, staff, mount, settings):
        from config.docs import DocsView
        from django.utils.csp import CSP

        settings.MIDDLEWARE = [
            *django_settings.MIDDLEWARE,
            "django.middleware.csp.ContentSecurityPolicyMiddleware",
        ]
        settings.SECURE_CSP = {"default-src": [CSP.SELF]}
        mount(
            docs=DocsView.as_view(), redoc=SpectacularRedocView.as_view(), schema=SpectacularAPIView.as_view()
        )
        assert staff.get("/docs/").headers["Content-Security-Policy"] == (
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
        )
        assert staff.get("/redoc/").headers["Content-Security-Policy"] == "default-src 'self'"
