"""Scenario 46: the steps of the workflow are read from it and run, on code with and without a fresh schema."""

import os
import shutil
import subprocess

import pytest
import yaml
from django.core.management import call_command
from drf_spectacular.settings import spectacular_settings

HINTLESS = """
    age = serializers.SerializerMethodField()

    def get_age(self, parcel):
        return [parcel.pk]

    class Meta:
        model = Parcel
        fields = ["number", "weight_g", "age"]
"""


@pytest.fixture
def workflow(settings):
    return yaml.safe_load((settings.BASE_DIR / ".github" / "workflows" / "api.yml").read_text())


@pytest.fixture
def checkout(settings, tmp_path):
    """A clone whose schema.yml was generated at the last commit."""
    folder = shutil.copytree(settings.BASE_DIR, tmp_path / "checkout")
    call_command("spectacular", "--file", str(folder / "schema.yml"))
    return folder


@pytest.fixture
def step(workflow, checkout):
    """Run one step of the job as a runner does, or its last line only."""

    def run(name, *, last_line=False, **variables):
        (found,) = [each for each in workflow["jobs"]["docs"]["steps"] if each.get("name") == name]
        script = found["run"].splitlines()[-1] if last_line else found["run"]
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=checkout,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


class TestTheGate:
    GATE = "compare the schema"

    def test_it_opens_for_a_fresh_schema_and_closes_when_a_view_changes(self, step, checkout):
        passed = step(self.GATE)
        assert passed.returncode == 0, passed.stderr
        edit(checkout / "parcels" / "serializers.py", '"weight_g"]', '"weight_g", "id"]')
        stopped = step(self.GATE)
        assert stopped.returncode != 0
        assert "+        id:" in stopped.stdout

    def test_it_closes_when_the_generator_had_to_guess(self, step, checkout):
        file = checkout / "parcels" / "serializers.py"
        head = file.read_text().partition("    class Meta")[0]
        file.write_text(head + HINTLESS)
        stopped = step(self.GATE)
        assert stopped.returncode != 0
        assert "Failing as requested due to warnings" in stopped.stderr

    def test_it_closes_when_nobody_committed_a_schema(self, step, checkout):
        (checkout / "schema.yml").rename(checkout / "fresh.yml")
        assert "schema.yml: No such file" in step(self.GATE, last_line=True).stderr

    def test_git_diff_is_content_with_a_file_it_does_not_track(self, checkout):
        def git(*arguments):
            return subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, check=False)

        assert git("init", "--quiet").returncode == 0
        edit(checkout / "schema.yml", "weight_g", "anything")
        assert git("diff", "--exit-code", "schema.yml").returncode == 0

    def test_a_build_number_in_the_settings_makes_every_commit_differ(self, monkeypatch, tmp_path):
        for commit in ("a1b2c3d", "e4f5a6b"):
            monkeypatch.setattr(spectacular_settings, "VERSION", commit)
            call_command("spectacular", "--file", str(tmp_path / commit))
        assert (tmp_path / "a1b2c3d").read_text() != (tmp_path / "e4f5a6b").read_text()

    def test_generating_asks_no_database(self, tmp_path):
        # pytest-django lets no test near a database that does not ask for one.
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
        assert "/api/parcels/" in (tmp_path / "schema.yml").read_text()


class TestWhatIsPublished:
    def test_the_published_copy_names_the_commit_and_is_otherwise_the_same(self, step, checkout):
        done = step("describe this build", BUILD="0123456789abcdef")
        assert done.returncode == 0, done.stderr
        published = yaml.safe_load((checkout / "site" / "schema.yml").read_text())
        committed = yaml.safe_load((checkout / "schema.yml").read_text())
        assert published["info"].pop("version") == "1.4.0+0123456"
        assert committed["info"].pop("version") == "1.4.0"
        assert published == committed

    def test_on_a_laptop_it_says_so(self, tmp_path, monkeypatch):
        monkeypatch.delenv("BUILD", raising=False)
        file = tmp_path / "schema.yml"
        call_command("spectacular", "--custom-settings", "config.release.SPECTACULAR", "--file", str(file))
        assert yaml.safe_load(file.read_text())["info"]["version"] == "1.4.0+local"

    def test_a_urlconf_of_public_routes_keeps_the_internal_ones_out(self, tmp_path):
        paths = {}
        for name, options in {"all": [], "public": ["--urlconf", "config.public_urls"]}.items():
            call_command("spectacular", *options, "--file", str(tmp_path / name))
            paths[name] = yaml.safe_load((tmp_path / name).read_text())["paths"]
        assert any(path.startswith("/internal/") for path in paths["all"])
        assert sorted(paths["public"]) == ["/api/parcels/", "/api/parcels/{id}/"]


class TestTheOrder:
    def test_docs_go_live_after_the_release_that_they_describe(self, workflow):
        jobs = workflow["jobs"]
        assert jobs["publish"]["needs"] == "release"
        assert jobs["release"]["needs"] == "docs"

    def test_a_pull_request_neither_releases_nor_uploads(self, workflow):
        jobs = workflow["jobs"]
        (upload,) = [each for each in jobs["docs"]["steps"] if "upload-pages" in each.get("uses", "")]
        assert upload["if"] == jobs["release"]["if"] == "github.ref == 'refs/heads/main'"

    def test_only_the_job_that_publishes_may_write(self, workflow):
        assert workflow["permissions"] == {"contents": "read"}
        writing = [name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions"))]
        assert writing == ["publish"]
