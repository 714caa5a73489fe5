"""Loaded into the pytest that runs an example: the mark `django`, strict warnings, no skips."""

import re
import sysconfig
from pathlib import Path

import django
import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "django(version): runs from that Django on only")
    for line in warning_filters():
        config.addinivalue_line("filterwarnings", line)


def warning_filters():
    """A warning is an error, except a deprecation for which another package than Django is to blame."""
    yield "error"
    packages = sorted(
        re.escape(path.stem)
        for path in Path(sysconfig.get_path("purelib")).iterdir()
        if path.stem.isidentifier() and path.name != "django"
    )
    for category in ("DeprecationWarning", "PendingDeprecationWarning"):
        yield rf"ignore::{category}:({'|'.join(packages)})(\.|$)"


def pytest_collection_modifyitems(config, items):
    """Deselect, not skip, what needs a newer Django."""
    newer = [item for item in items if needed_django(item) > django.VERSION[:2]]
    if newer:
        config.hook.pytest_deselected(items=newer)
        items[:] = [item for item in items if item not in newer]


def needed_django(item):
    marks = item.iter_markers("django")
    return max((tuple(map(int, mark.args[0].split("."))) for mark in marks), default=(0, 0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return without_skip((yield))


def without_skip(report):
    """A skipped or expectedly failing test proves nothing, so it counts as failed."""
    if report.skipped:
        reason = getattr(report, "wasxfail", None) or report.longrepr
        report.outcome = "failed"
        report.longrepr = f"an example must not skip or be expected to fail: {reason}"
        report.__dict__.pop("wasxfail", None)
    return report
