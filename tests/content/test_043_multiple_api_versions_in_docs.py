"""Scenario 43: two versions, two schemas; what is in each, and which ways of asking for them go wrong?"""

import pytest
import yaml
from catalog.views import BookV1ViewSet, BookV2ViewSet
from config import selector
from django.core.management import call_command
from django.test import Client
from django.urls import include, path, re_path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, spectacular_settings
from drf_spectacular.views import SpectacularAPIView
from rest_framework import versioning
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView


@pytest.fixture
def schema(client):
    def get(version):
        return client.get(f"/schema/{version}/?format=json").json()

    return get


def paths(*patterns, version=None):
    return set(SchemaGenerator(patterns=patterns, api_version=version).get_schema(public=True)["paths"])


def versioned(view, *, by=versioning.URLPathVersioning, **options):
    """The view under a versioning of its own."""
    scheme = type("Scheme", (by,), options)
    return type("Versioned", (view,), {"versioning_class": scheme}).as_view({"get": "list"})


class TestEachSchema:
    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_it_holds_its_own_paths_and_the_unversioned_ones(self, schema, version):
        assert set(schema(version)["paths"]) == {
            f"/api/{version}/books/",
            f"/api/{version}/books/{{id}}/",
            "/api/health/",
        }

    def test_it_describes_its_own_serializer(self, schema):
        def fields(version):
            operation = schema(version)["paths"][f"/api/{version}/books/{{id}}/"]["get"]
            body = operation["responses"]["200"]["content"]["application/json"]["schema"]
            component = body["$ref"].rpartition("/")[2]
            return set(schema(version)["components"]["schemas"][component]["properties"])

        assert fields("v2") - fields("v1") == {"binding"}

    def test_it_says_which_version_it_is(self, schema):
        assert [schema(version)["info"]["version"] for version in ("v1", "v2")] == ["v1", "v2"]

    def test_only_the_operations_of_v1_are_deprecated(self, schema):
        marked = {
            path: {operation.get("deprecated", False) for operation in operations.values()}
            for version in ("v1", "v2")
            for path, operations in schema(version)["paths"].items()
        }
        assert {path for path, values in marked.items() if values == {True}} == {
            "/api/v1/books/",
            "/api/v1/books/{id}/",
        }
        assert all(values == {False} for path, values in marked.items() if not path.startswith("/api/v1/"))
        assert "Ends on" in schema("v1")["info"]["description"]
        assert "description" not in schema("v2")["info"]

    def test_the_list_of_hooks_keeps_the_default_one(self):
        (default,) = SPECTACULAR_DEFAULTS["POSTPROCESSING_HOOKS"]
        assert default == "drf_spectacular.hooks.postprocess_schema_enums"
        assert "BindingEnum" in str(SchemaGenerator(api_version="v2").get_schema(public=True))

    def test_the_commands_of_the_answer_write_one_file_each(self, tmp_path):
        for version in ("v1", "v2"):
            file = tmp_path / f"{version}.yml"
            options = ["--api-version", version, "--validate", "--fail-on-warn", "--file", str(file)]
            call_command("spectacular", *options)
            assert f"/api/{version}/books/" in yaml.safe_load(file.read_text())["paths"]

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_its_page_loads_it(self, client, version):
        script = client.get(f"/docs/{version}/?script=").content.decode()
        assert f'url: "/schema/{version}/"' in script.replace("\\u002D", "-")


class TestWithoutAVersion:
    def test_only_unversioned_endpoints_are_there(self):
        assert set(SchemaGenerator().get_schema(public=True)["paths"]) == {"/api/health/"}

    def test_a_default_version_adds_its_own(self):
        book = versioned(BookV1ViewSet, by=versioning.NamespaceVersioning, default_version="v1")
        patterns = [
            path(f"api/{name}/", include(([path("books/", book)], name), namespace=name))
            for name in ("v1", "v2")
        ]
        assert paths(*patterns) == {"/api/v1/books/"}


class TestOutsideTheNamespaces:
    class Status(APIView):
        def get(self, request):
            return Response()

    @pytest.mark.parametrize("version", [None, "v1", "v2"])
    def test_an_endpoint_is_in_no_schema(self, version):
        assert paths(path("api/status/", self.Status.as_view()), version=version) == set()

    @pytest.mark.parametrize("version", [None, "v1", "v2"])
    def test_without_versioning_it_is_in_each(self, version):
        status = self.Status.as_view(versioning_class=None)
        assert paths(path("api/status/", status), version=version) == {"/api/status/"}


class TestVersionsInThePath:
    def test_a_route_of_v2_is_documented_under_v1_where_it_does_not_exist(self, settings):
        books = versioned(BookV2ViewSet)
        patterns = [re_path(r"^api/(?P<version>v2)/books/$", books)]
        assert paths(*patterns, version="v1") == {"/api/v1/books/"}
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": patterns})
        assert Client().get("/api/v1/books/").status_code == 404

    def test_a_view_that_does_not_allow_the_version_breaks_the_whole_schema(self):
        books = versioned(BookV2ViewSet, allowed_versions=["v2"])
        patterns = [path("api/<str:version>/books/", books)]
        assert paths(*patterns, version="v2") == {"/api/v2/books/"}
        with pytest.raises(NotFound, match="Invalid version in URL path"):
            paths(*patterns, version="v1")


class TestTheSelector:
    def test_its_settings_reach_the_page_as_they_are(self, client, monkeypatch):
        monkeypatch.setattr(spectacular_settings, "SWAGGER_UI_SETTINGS", selector.SWAGGER_UI_SETTINGS)
        script = client.get("/docs/v2/?script=").content.decode()
        assert selector.SWAGGER_UI_SETTINGS in script

    def test_it_names_schemas_that_are_there(self, client):
        for version in ("v1", "v2"):
            url = f"/schema/{version}/"
            assert f'url: "{url}"' in selector.SWAGGER_UI_SETTINGS
            assert client.get(url).status_code == 200


class TestCustomSettings:
    def test_two_requests_at_a_time_leave_the_wrong_title_behind(self):
        before = spectacular_settings.TITLE
        try:
            spectacular_settings.apply_patches({"TITLE": "Books v1"})  # one thread begins,
            spectacular_settings.apply_patches({"TITLE": "Books v2"})  # so does the other,
            spectacular_settings.clear_patches()  # and both end
            spectacular_settings.clear_patches()
            assert spectacular_settings.TITLE == "Books v1"
        finally:
            spectacular_settings.TITLE = before

    def test_that_is_what_the_view_does_with_them(self, client, settings, monkeypatch):
        patched = []
        apply = spectacular_settings.apply_patches
        monkeypatch.setattr(
            spectacular_settings, "apply_patches", lambda patches: (patched.append(patches), apply(patches))
        )
        view = SpectacularAPIView.as_view(api_version="v1", custom_settings={"TITLE": "Books v1"})
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("schema/", view)]})
        assert b"Books v1" in client.get("/schema/").content
        assert patched == [{"TITLE": "Books v1"}]
