"""Runs one example on one Django, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.examples.environments import ENVIRONMENTS, Environment, ensure
from tests.examples.example import Example
from tests.examples.executed import Execution, execution
from tests.examples.layout import lay_out

INNER = Path(__file__).with_name("inner")
TIMEOUT_SECONDS = 240
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
    """What a run showed: `output` is the inner pytest's; `execution` is None if only some tests ran."""

    passed: bool
    output: str
    execution: Execution | None

    @property
    def proven(self) -> bool:
        return self.passed and not (self.execution and self.execution.missing)

    @property
    def report(self) -> str:
        return "\n".join([self.output, *(self.execution.missing if self.execution else ())])


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
    return Result(passed, output, None if options else execution(example, project, measured))


def _variables(environment: Environment, django: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTER_VARIABLES)}
    return kept | {
        "PATH": f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(INNER),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _run(command: list[str], folder: Path, variables: dict[str, str]) -> tuple[bool, str]:
    """Run to the end, in a session of its own: whatever an example started ends with it."""
    log = folder.with_name("output.txt")
    with log.open("wb") as output:  # a pipe would stay open for as long as any process that was started
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
        try:
            passed, remark = process.wait(TIMEOUT_SECONDS) == 0, ""
        except subprocess.TimeoutExpired:
            passed, remark = False, f"\nstopped after {TIMEOUT_SECONDS} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return passed, log.read_text(encoding="utf-8", errors="replace") + remark
