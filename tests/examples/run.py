"""Runs one example on one Django, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.examples.environments import ENVIRONMENTS, Environment, ensure
from tests.examples.example import Example
from tests.examples.executed import unexecuted
from tests.examples.layout import Project, lay_out

INNER = Path(__file__).with_name("inner")
TIMEOUT_SECONDS = 120
# Nothing of the outer run (its pytest, its coverage, its virtual environment) may reach the inner one.
OUTER_VARIABLES = (
    "PYTEST",
    "COV",
    "COVERAGE",
    "DJANGO",
    "PYTHON",
    "VIRTUAL_ENV",
    "PYENV_VERSION",
    "EXAMPLE_",
)
COVERAGE_CONFIG = """\
[run]
data_file = {data}/coverage
source = {project}
parallel = true
sigterm = true
concurrency = thread, multiprocessing
patch = subprocess, fork, _exit
"""


@dataclass(frozen=True)
class Result:
    """What a run showed: `output` is the inner pytest's, `missing` says what code never ran."""

    project: Project
    passed: bool
    output: str
    missing: list[str] = field(default_factory=list)


def run_example(
    example: Example,
    django: str,
    folder: Path,
    *,
    servers: dict[str, str] | None = None,
    options: tuple[str, ...] = (),
) -> Result:
    """Lay the example out in `folder` and run its tests there; `servers` are their variables."""
    environment = ensure(ENVIRONMENTS[django])
    folder = folder.resolve()
    project = lay_out(example, django, folder / "project")
    measured = folder / "measured"
    measured.mkdir()
    config = measured / "coveragerc"
    config.write_text(COVERAGE_CONFIG.format(data=measured, project=project.folder), encoding="utf-8")
    command = [str(environment.python), "-m", "coverage", "run", f"--rcfile={config}"]
    command += ["-m", "pytest", "-c", str(INNER / "pytest.ini"), f"--rootdir={project.folder}", *options]
    passed, output = _run(command, project.folder, _variables(environment, django) | (servers or {}))
    missing = [] if options else unexecuted(example, project, measured)
    return Result(project, passed, output, missing)


def _variables(environment: Environment, django: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTER_VARIABLES)}
    return kept | {
        "PATH": f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(INNER),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _run(command: list[str], folder: Path, variables: dict[str, str]) -> tuple[bool, str]:
    """Run to the end, in a session of its own: whatever an example started ends with it."""
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return False, f"{output}\nstopped after {TIMEOUT_SECONDS} s"
        return process.returncode == 0, output
