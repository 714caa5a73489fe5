"""The harness of the examples itself: what it must catch, it catches."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import lacking_is_failing_in_ci
from tests.examples.run import Result, run_example
from tests.examples.written import write_example

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


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    def write_and_run(blocks: str, tests: str, context: dict[str, str] | None = None) -> Result:
        return run_example(write_example(tmp_path, blocks, tests, context), "5.2", tmp_path)

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


def test_what_needs_a_newer_django_is_there_from_that_version_on_only(tmp_path: Path) -> None:
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
    example = write_example(tmp_path, f"{VIEWS}\n```\n\n{newer}", tests)
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
