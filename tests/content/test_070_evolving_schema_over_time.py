"""Scenario 70: the commands of the pipeline run on a copy of the project, in which somebody makes each mistake."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

NEEDS = ("postgresql",)

WORKFLOW = yaml.safe_load(Path(".github/workflows/migrations.yml").read_text(encoding="utf-8"))
COMMANDS = {
    step["run"].split()[2]: step["run"].split()[2:]
    for step in WORKFLOW["jobs"]["check"]["steps"]
    if step.get("run", "").startswith("python manage.py")
}
MIGRATION = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "{before}")]
    operations = [{operation}]
"""
LATEST = "0002_order_currency"
DROP = 'migrations.RemoveField("order", "total")'
LOCK = """migrations.RunPython(
    lambda apps, schema_editor: apps.get_model("shop", "Order").objects.update(number="x"),
    migrations.RunPython.noop,
)"""
# What somebody writes, and what the linter says to it: nothing if it passes.
OPERATIONS = [
    (DROP, "DROPPING columns"),
    ('migrations.AddField("order", "a", models.TextField(default="x"))', "NOT NULL constraint"),
    ('migrations.AddIndex("order", models.Index(fields=["number"], name="n"))', "CREATE INDEX locks"),
    ("migrations.RunPython(lambda apps, schema_editor: None)", "not reversible"),
    ('migrations.AddField("order", "b", models.TextField(default="x", db_default="x"))', ""),
    (LOCK, ""),
]


class Repository:
    """A copy of the project under git, with main where the pull request starts."""

    def __init__(self, folder):
        self.folder = folder
        self.migrations = folder / "shop" / "migrations"
        ignored = shutil.ignore_patterns("__pycache__", "test_0*", "*.sqlite3")
        shutil.copytree(settings.BASE_DIR, folder, ignore=ignored)
        (folder / ".gitignore").write_text("__pycache__\n")
        self.git("init", "-q", "-b", "main")
        self.commit("what main has")
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")

    def git(self, *arguments, check=True):
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "core.editor=true"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=check, capture_output=True, text=True
        )

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def manage(self, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        )
        return done.returncode, done.stdout + done.stderr

    def step(self, name):
        return self.manage(*COMMANDS[name])

    def add(self, name, operation, before=LATEST):
        (self.migrations / f"{name}.py").write_text(MIGRATION.format(before=before, operation=operation))
        (self.migrations / "max_migration.txt").write_text(f"{name}\n")
        self.commit(name)

    def edit(self, file, old, new):
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "copy")


class TestThePipeline:
    def test_it_passes_as_it_stands(self, repository):
        assert list(COMMANDS) == ["check", "makemigrations", "lintmigrations", "test"]
        for name in ("check", "makemigrations", "lintmigrations"):
            code, output = repository.step(name)
            assert code == 0, output

    def test_a_missing_migration_fails(self, repository):
        repository.edit("shop/models.py", "max_length=3", "max_length=4")
        code, output = repository.step("makemigrations")
        assert code == 1
        assert "Alter field currency" in output

    def test_dangerous_migrations_fail_and_safe_ones_pass(self, repository):
        before = LATEST
        for number, (operation, _) in enumerate(OPERATIONS, 3):
            repository.add(f"{number:04}_{number}", operation, before)
            before = f"{number:04}_{number}"
        code, output = repository.step("lintmigrations")
        assert code == 1
        for number, (_, finding) in enumerate(OPERATIONS, 3):
            _, _, found = output.partition(f"{number:04}_{number})... ")
            verdict, _, detail = found.partition("(shop, ")[0].partition("\n")
            assert (verdict, finding in detail) == ("ERR" if finding else "OK", True), output

    def test_without_the_root_path_the_linter_checks_nothing_and_is_green(self, repository):
        repository.edit("config/settings.py", '"project_root_path": str(BASE_DIR),', "")
        repository.add("0003_danger", DROP)
        code, output = repository.step("lintmigrations")
        assert code == 0
        assert "Valid migrations: 0/0" in output

    def test_old_findings_do_not_count_and_an_ignored_one_passes(self, repository):
        repository.add("0003_danger", DROP)
        repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
        assert repository.manage("lintmigrations")[0] == 1
        ignore = '__import__("django_migration_linter").IgnoreMigration(), '
        repository.add("0004_due", ignore + DROP.replace("total", "number"), before="0003_danger")
        code, output = repository.step("lintmigrations")
        assert code == 0, output


class TestConflicts:
    @pytest.fixture(autouse=True)
    def two_branches(self, repository):
        repository.git("checkout", "-q", "-b", "feature")
        self.field(repository, "mine")
        repository.git("checkout", "-q", "main")
        self.field(repository, "theirs")
        repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
        repository.git("checkout", "-q", "feature")

    @staticmethod
    def field(repository, name):
        operation = f'migrations.AddField("order", "{name}", models.TextField(null=True))'
        repository.add(f"0003_{name}", operation)

    def test_git_stops_the_second_and_the_command_puts_it_behind_the_first(self, repository):
        rebase = repository.git("rebase", "origin/main", check=False)
        assert rebase.returncode
        assert "max_migration.txt" in rebase.stdout + rebase.stderr
        code, output = repository.manage("rebase_migration", "shop")
        assert code == 0, output
        repository.git("add", "shop/migrations")
        repository.git("rebase", "--continue")
        assert "0003_theirs" in (repository.migrations / "0004_mine.py").read_text()
        assert repository.step("check")[0] == 0

    def test_without_the_file_git_merges_and_django_stops(self, repository):
        for branch in ("main", "feature"):
            repository.git("checkout", "-q", branch)
            repository.git("rm", "-q", "shop/migrations/max_migration.txt")
            repository.commit("no file")
        repository.git("merge", "-q", "main")
        repository.edit("config/settings.py", '"django_linear_migrations", ', "")
        code, output = repository.manage("migrate", "--plan")
        assert code == 1
        assert "Conflicting migrations detected; multiple leaf nodes" in output

    def test_the_check_finds_a_file_that_names_another_migration(self, repository):
        (repository.migrations / "max_migration.txt").write_text("0002_order_currency\n")
        code, output = repository.step("check")
        assert code == 1
        assert "dlm.E" in output


class TestSquashing:
    @pytest.fixture(autouse=True)
    def squashed(self, repository):
        fill = "migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop, elidable=True)"
        repository.add("0003_fill", fill)
        assert repository.manage("migrate", "-v0", "shop", "0002")[0] == 0
        code, output = repository.manage("squashmigrations", "shop", "0003", "--no-input")
        assert code == 0, output
        (self.file,) = repository.migrations.glob("*squashed*.py")

    def test_an_elidable_step_is_gone_and_the_replaced_files_are_needed_in_between(self, repository):
        assert "RunPython" not in self.file.read_text()
        assert "CreateModel" in self.file.read_text()
        old = [path.name for path in repository.migrations.glob("000*.py") if path != self.file]
        for name in old:
            (repository.migrations / name).unlink()
        repository.edit(str(self.file.relative_to(repository.folder)), self.replaces(), "replaces = []")
        code, output = repository.manage("migrate", "shop")
        assert code == 1
        assert "already exists" in output

    def replaces(self):
        text = self.file.read_text()
        start = text.index("replaces = [")
        return text[start : text.index("]", start) + 1]
