"""Scenario 36: faults are planted in old code; ruff, the hook and the commands of the answer meet them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from shop.models import Order

CONFIG = Path("pyproject.toml").resolve()
HOOKS = Path(".pre-commit-config.yaml").resolve()

OLD_CODE = """\
import os, sys
from django.db import models
import json

class Coupon(models.Model):
    code = models.CharField(max_length = 10, null=True)
    class Meta:
        ordering=['code']

def load(path, seen=[]):
    unused = 1
    try:
        return json.load(open(path))
    except:
        pass

def label(coupon, message = "a text that nobody has ever broken into two, although it would have been possible"):
    return '%s: %s' % (coupon, message)
"""
PLANTED = {"E401", "F401", "I001", "DJ001", "DJ008", "B006", "F841", "E722", "S110", "E501", "UP031"}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An old repository, with the two files of the answer in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Ada")
        monkeypatch.setenv(f"{name}_EMAIL", "ada@example.org")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    run("git", "init", "-q")
    shutil.copy(CONFIG, "pyproject.toml")
    shutil.copy(HOOKS, ".pre-commit-config.yaml")
    Path(".gitignore").write_text(".cache\n.ruff_cache\n")
    Path("old.py").write_text(OLD_CODE)
    run("git", "add", ".")
    run("git", "commit", "-q", "-m", "Old code")
    return tmp_path


def run(*command, fails=False):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert bool(done.returncode) is fails, output
    return output


def findings(*paths):
    done = subprocess.run(
        ["ruff", "check", "--output-format=json", *paths], capture_output=True, text=True, check=False
    )
    return [finding["code"] for finding in json.loads(done.stdout)]


class TestTheRules:
    def test_find_every_planted_fault(self, repository):
        assert set(findings("old.py")) == PLANTED
        assert "F401" in run("ruff", "check", "--statistics", fails=True)

    def test_let_tests_and_migrations_be(self, repository):
        for folder, code in (
            ("shop/tests", "def test():\n    assert 1\n"),
            ("shop/migrations", f"x = '{'-' * 120}'\n"),
        ):
            Path(folder).mkdir(parents=True)
            Path(folder, "file.py").write_text(code)
            assert findings(folder) == []
        assert findings("--isolated", "--select=S,E501", "shop") == ["E501", "S101"]

    def test_the_formatter_changes_nothing_after_itself_and_undoes_no_repair(self, repository):
        run("ruff", "format")
        run("ruff", "check", "--fix", fails=True)
        run("ruff", "format")
        settled = Path("old.py").read_text()
        assert "1 file left unchanged" in run("ruff", "format")
        run("ruff", "check", "--fix", fails=True)
        assert Path("old.py").read_text() == settled


class TestTheLineUnderThePast:
    def test_as_in_the_answer_what_is_old_passes_and_what_is_new_does_not(self, repository):
        run("ruff", "format")
        run("git", "commit", "-qam", "Format with ruff")
        Path(".git-blame-ignore-revs").write_text(run("git", "rev-parse", "HEAD"))
        run("ruff", "check", "--fix", fails=True)
        assert "import sys" not in Path("old.py").read_text()
        run("git", "commit", "-qam", "Repair what ruff can")
        run("ruff", "check", "--add-noqa=before the rules")
        run("git", "commit", "-qam", "Mark what is left")
        assert "# noqa: DJ001 before the rules" in Path("old.py").read_text()
        run("ruff", "format", "--check")
        run("ruff", "check")
        with Path("old.py").open("a") as file:
            file.write("\n\ndef new(found={}):\n    return found\n")
        assert findings() == ["B006"]

    def test_blame_leaves_the_formatting_commit_out(self, repository):
        run("ruff", "format")
        run("git", "commit", "-qam", "Format with ruff")
        formatting = run("git", "rev-parse", "HEAD")
        assert formatting[:7] in run("git", "blame", "-s", "old.py")
        Path(".git-blame-ignore-revs").write_text(formatting)
        run("git", "config", "blame.ignoreRevsFile", ".git-blame-ignore-revs")
        lines = [line for line in run("git", "blame", "-s", "old.py").splitlines() if "ordering" in line]
        assert formatting[:7] not in lines[0]

    @pytest.mark.parametrize("as_in_the_answer", [True, False])
    def test_an_open_branch_merges_without_conflict_if_it_is_formatted_first(
        self, repository, as_in_the_answer
    ):
        main = run("git", "branch", "--show-current").strip()
        run("git", "switch", "-qc", "feature")
        Path("old.py").write_text(OLD_CODE.replace("'%s: %s'", "'%s - %s'"))
        run("git", "commit", "-qam", "Feature")
        run("git", "switch", "-q", main)
        run("ruff", "format")
        run("git", "commit", "-qam", "Format with ruff")
        formatted = Path("old.py").read_text()
        run("git", "switch", "-q", "feature")
        if not as_in_the_answer:
            assert "CONFLICT" in run("git", "merge", main, fails=True)
            return
        run("git", "merge", "-q", f"{main}~1")
        run("ruff", "format")
        run("git", "commit", "-qam", "Format with ruff")
        run("git", "merge", "-q", "-X", "ours", main)
        assert Path("old.py").read_text() == formatted.replace('"%s: %s"', '"%s - %s"')

    def test_a_mark_without_its_fault_is_reported(self, repository):
        run("ruff", "check", "--add-noqa=before the rules")
        Path("old.py").write_text(Path("old.py").read_text().replace("except:", "except ValueError:"))
        assert findings() == ["RUF100"]

    def test_unsafe_fixes_are_not_made_unless_asked_for(self, repository):
        run("ruff", "check", "--fix", fails=True)
        assert "unused = 1" in Path("old.py").read_text()
        run("ruff", "check", "--fix", "--unsafe-fixes", fails=True)
        assert "unused" not in Path("old.py").read_text()

    def test_a_bare_noqa_silences_every_rule_on_its_line(self, repository):
        Path("new.py").write_text("password = 'change-me'; import os  # noqa\n")
        assert findings("new.py") == []
        Path("new.py").write_text("password = 'change-me'; import os  # noqa: S105\n")
        assert set(findings("new.py")) == {"E702", "E402", "F401", "I001"}


class TestImportsWithSideEffects:
    @pytest.mark.django_db
    def test_the_receivers_are_connected(self):
        assert Order.objects.create(number="A-1").announced

    def test_the_mark_keeps_the_import_that_fix_would_delete(self, repository, pytestconfig):
        source = Path(pytestconfig.rootpath, "shop/apps.py").read_text()
        Path("apps.py").write_text(source)
        run("ruff", "check", "--fix", "apps.py")
        assert Path("apps.py").read_text() == source
        Path("apps.py").write_text(source.replace("  # noqa: F401", ""))
        run("ruff", "check", "--fix", "apps.py")
        assert "import shop.receivers" not in Path("apps.py").read_text()


class TestTheGates:
    def test_the_hook_refuses_a_commit_until_the_fault_is_gone(self, repository):
        run("pre-commit", "validate-config")
        run("pre-commit", "install")
        new = Path("new.py")
        new.write_text("try:\n    import tomllib\nexcept:\n    tomllib=None\n")
        run("git", "add", "new.py")
        output = run("git", "commit", "-qm", "New", fails=True)
        assert "E722" in output
        assert "files were modified by this hook" in output  # the format
        new.write_text(new.read_text().replace("except:", "except ImportError:"))
        run("git", "add", "new.py")
        run("git", "commit", "-qm", "New")

    def test_no_verify_goes_past_the_hook_but_not_past_the_commands_of_ci(self, repository):
        run("pre-commit", "install")
        run("ruff", "format")
        run("ruff", "check", "--add-noqa=before the rules")
        run("git", "commit", "-qam", "A line under the past")
        Path("new.py").write_text("import os\n")
        run("git", "add", "new.py")
        run("git", "commit", "-qm", "New", "--no-verify")
        commands = [step["run"] for step in ci()["jobs"]["ruff"]["steps"] if "ruff" in step.get("run", "")]
        assert commands == ["ruff check --output-format=github", "ruff format --check"]
        assert "F401" in run(*commands[0].split(), fails=True)
        run(*commands[1].split())

    def test_ci_runs_on_every_pull_request(self):
        assert "pull_request" in ci()[True]  # YAML reads "on" as true


def ci():
    return yaml.safe_load(HOOKS.with_name(".github").joinpath("workflows/lint.yml").read_text())


def test_the_tools_are_those_of_this_environment():
    assert Path(shutil.which("ruff")).parent == Path(sys.executable).parent
