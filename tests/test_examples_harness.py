"""The harness of the examples itself: what it must catch, it catches."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.examples.example import Example, find_example
from tests.examples.layout import LayoutError, lay_out
from tests.examples.run import Result, run_example
from tests.test_examples import lacking_is_failing_in_ci

VIEWS = '```python title="shop/views.py"'
TWO_VIEWS = f"""
{VIEWS}
def greeting():
    return "hello"


def farewell():
    \"\"\"Said by nobody.\"\"\"
    return "bye"
```
"""
TEST_GREETING = """
from shop import views

def test_greeting():
    assert views.greeting() == "hello"
"""

Write = Callable[..., Example]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a scenario with these blocks, this test module and these context files; return its example."""

    def write_example(blocks: str, tests: str = "", context: dict[str, str] | None = None) -> Example:
        folder = tmp_path / "content" / "shop"
        folder.mkdir(parents=True)
        (folder.parent / "categories.yaml").write_text("[{slug: shop, title: Shop}]")
        (folder / "007-demo-shop.md").write_text(dedent(blocks))
        tests_folder = tmp_path / "tests"
        files = {"test_007_demo_shop.py": tests}
        files |= {f"files/007/{name}": text for name, text in (context or {}).items()}
        for name, text in files.items():
            (tests_folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tests_folder / name).write_text(dedent(text))
        return dataclasses.replace(find_example(7, folder.parent), tests_folder=tests_folder)

    return write_example


@pytest.fixture
def run(write: Write, tmp_path: Path) -> Callable[..., Result]:
    def write_and_run(blocks: str, tests: str, context: dict[str, str] | None = None) -> Result:
        return run_example(write(blocks, tests, context), "5.2", tmp_path)

    return write_and_run


def test_a_function_that_no_test_runs_is_reported_with_its_block(run: Callable[..., Result]) -> None:
    result = run(TWO_VIEWS, TEST_GREETING)
    assert result.passed
    assert not result.proven
    assert result.report.endswith("007-demo-shop.md:2: python block 'shop/views.py': farewell() never ran")


def test_a_block_that_nothing_imports_is_reported(run: Callable[..., Result]) -> None:
    result = run(f"{VIEWS}\nGREETING = 'hello'\n```\n", "def test_nothing():\n    assert True")
    assert result.passed
    assert result.execution is not None
    assert result.execution.blocks == ()
    assert result.report.endswith("python block 'shop/views.py': never ran")


def test_a_function_on_one_line_is_refused_since_its_body_cannot_be_measured(
    run: Callable[..., Result],
) -> None:
    blocks = f"{VIEWS}\ndef greeting(): return 'hello'\n\n\ndef todo(): ...\n```\n"
    assert run(blocks, TEST_GREETING).report.endswith(
        "greeting() is written on one line; put its body on a line of its own"
    )


def test_code_that_runs_in_a_subprocess_only_counts_as_executed(run: Callable[..., Result]) -> None:
    command = """
    ```python title="shop/management/commands/greet.py"
    from django.core.management.base import BaseCommand


    class Command(BaseCommand):
        def handle(self, **options):
            self.stdout.write("hello")
    ```
    """
    tests = """
    import subprocess, sys

    def test_greet():
        done = subprocess.run([sys.executable, "manage.py", "greet"], capture_output=True, text=True)
        assert done.stdout == "hello\\n", done.stderr
    """
    result = run(command, tests)
    assert result.proven, result.report


def test_a_failing_test_fails_the_run_and_is_shown(run: Callable[..., Result]) -> None:
    result = run(TWO_VIEWS, TEST_GREETING.replace('"hello"', '"good morning"'))
    assert not result.passed
    assert "assert 'hello' == 'good morning'" in result.report


@pytest.mark.parametrize(
    "skipping",
    [
        "import pytest\npytest.skip('later', allow_module_level=True)",
        "import pytest\n\n@pytest.mark.skip(reason='later')\ndef test_it(): assert True",
        "import pytest\n\n@pytest.mark.xfail(reason='later')\ndef test_it(): assert False",
    ],
    ids=["module", "test", "expected-failure"],
)
def test_a_skipped_test_fails_the_run(run: Callable[..., Result], skipping: str) -> None:
    result = run("", skipping)
    assert not result.passed
    assert "an example must not skip or be expected to fail" in result.output
    assert "later" in result.output


def test_warnings_are_errors_save_deprecations_for_which_another_package_is_to_blame(
    run: Callable[..., Result],
) -> None:
    tests = """
    import warnings

    import pytest

    def warn(category, module):
        warnings.warn_explicit("old", category, "file.py", 1, module=module)

    def test_warnings():
        warn(DeprecationWarning, "rest_framework.fields")
        for category, module in [
            (DeprecationWarning, "shop.views"), (DeprecationWarning, "django.db"), (UserWarning, "rest_framework")
        ]:
            with pytest.raises(category):
                warn(category, module)
    """
    assert run("", tests).passed


def test_what_needs_a_newer_django_is_there_from_that_version_on_only(write: Write, tmp_path: Path) -> None:
    newer = '```python title="shop/newer.py" django="6.1"\nNAME = "newer"\n```\n'
    tests = """
    import importlib.util

    import pytest

    def test_older():
        assert importlib.util.find_spec("shop.views")

    @pytest.mark.django("6.1")
    def test_newer():
        from shop import newer
        assert newer.NAME == "newer"
    """
    example = write(f"{VIEWS}\n```\n\n{newer}", tests)
    output = run_example(example, "5.2", tmp_path / "5.2").output
    assert "1 passed, 1 deselected" in output
    with lacking_is_failing_in_ci():
        result = run_example(example, "6.1", tmp_path / "6.1")
    assert "2 passed" in result.output
    assert result.execution is not None
    assert [block.title for block in result.execution.blocks] == ["shop/newer.py"]


def test_blocks_of_one_title_are_one_file_and_settings_and_apps_add_up(run: Callable[..., Result]) -> None:
    blocks = """
    ```python title="shop/apps.py"
    from django.apps import AppConfig


    class ShopConfig(AppConfig):
        name = "shop"
    ```

    ```python title="stock/models.py"
    from django.db import models
    ```

    ```python title="stock/models.py"
    class Item(models.Model):
        name = models.TextField()
    ```

    ```yaml title="deploy/app.yaml"
    replicas: 2
    ```

    ```python title="config/settings.py"
    INSTALLED_APPS += ["shop.apps.ShopConfig"]
    ```
    """
    tests = """
    from pathlib import Path

    import pytest
    from django.apps import apps
    from django.conf import settings
    from stock.models import Item

    @pytest.mark.django_db
    def test_project():
        Item.objects.create(name="Tea")
        assert type(apps.get_app_config("shop")).__name__ == "ShopConfig"
        assert settings.SHOP_NAME == "Tea House"
        assert Path("deploy/app.yaml").read_text() == "replicas: 2\\n"
        assert Path("logo.bin").exists()
    """
    result = run(blocks, tests, {"config/settings.py": "SHOP_NAME = 'Tea House'", "logo.bin": ""})
    assert result.proven, result.report


def test_a_process_that_an_example_left_behind_ends_with_the_run(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    tests = """
    import subprocess
    from pathlib import Path

    def test_server():
        started = subprocess.Popen(["sleep", "600"])
        Path("pid").write_text(str(started.pid))
        started.returncode = 0  # or the warning that it still runs would fail the test
    """
    assert run("", tests).passed
    process = Path("/proc") / (tmp_path / "project" / "pid").read_text() / "stat"
    deadline = time.monotonic() + 10
    while process.exists() and process.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("block", "context", "message"),
    [
        (f"{VIEWS}\n```", {"shop/views.py": ""}, "would overwrite the context file"),
        ('```python title="../views.py"\n```', {}, "no relative file path"),
        ('```python title="/srv/views.py"\n```', {}, "no relative file path"),
        ('```python title="terminal"\n```', {}, "a Python file's name ends with .py"),
    ],
)
def test_a_block_that_has_no_place_in_the_project_is_an_error_with_its_line(
    write: Write, tmp_path: Path, block: str, context: dict[str, str], message: str
) -> None:
    with pytest.raises(LayoutError, match=rf"007-demo-shop\.md:1: .*{message}"):
        lay_out(write(block, "", context), "5.2", tmp_path / "project")


def test_an_example_is_found_while_the_files_of_others_are_broken(write: Write) -> None:
    path = write(TWO_VIEWS).path
    path.with_name("008-half-written.md").write_bytes(b"---\nid: 8\n\xff```python")
    assert [block.title for block in find_example(7, path.parents[1]).blocks] == ["shop/views.py"]
    with pytest.raises(LookupError, match=r"no scenario 9: no file .*009-\*\.md"):
        find_example(9, path.parents[1])


def test_python_blocks_without_a_test_module_are_an_error(write: Write, tmp_path: Path) -> None:
    example = write(TWO_VIEWS)
    example.test_module.unlink()
    with pytest.raises(LayoutError, match=r"nothing tests them; write .*test_007_demo_shop\.py"):
        lay_out(example, "5.2", tmp_path / "project")
