"""The virtual environments in which examples run: one per Django version, never the main one.

`python -m tests.examples.environments` (scripts/example_envs) makes or updates them. Only the standard
library is used, so that any Python can do so.
"""

# ruff: noqa: T201 - a command talks on the terminal

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.examples import EXAMPLE_TESTS, ROOT

REQUIREMENTS = EXAMPLE_TESTS / "requirements.txt"
ABOUT = "import sys, json, ssl, sqlite3, venv; print(json.dumps([sys.executable, *sys.version_info[:3]]))"
Version = tuple[int, ...]


class PythonNotFound(Exception):
    """No Python on this machine runs a Django; the message says which to install."""


class InstallationFailed(Exception):
    """An environment could not be made; the message is what venv or pip said."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with one Django; `at_least` is the oldest Python this Django runs on."""

    django: str
    folder: Path
    at_least: Version

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def requirement(self) -> str:
        return f"Django~={self.django}.0"

    def stamp(self, python_version: Version) -> str:
        """Names everything the environment is made of; it is up to date if it was made with the same."""
        parts = [
            self.requirement,
            ".".join(map(str, python_version)),
            REQUIREMENTS.read_text(encoding="utf-8"),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def is_current(self) -> bool:
        """Whether nothing is to be done; starts no process, since it is asked before every run."""
        version = self.made_with()
        stamped = self.stamp_file.read_text(encoding="utf-8") if self.stamp_file.exists() else None
        return version is not None and stamped == self.stamp(version)

    @property
    def stamp_file(self) -> Path:
        return self.folder / "example-stamp"

    def made_with(self) -> Version | None:
        """The Python the environment was made with; None if it is gone or too old."""
        config = self.folder / "pyvenv.cfg"
        if not config.exists() or not self.python.exists():
            return None
        found = re.search(r"^version = (\d+)\.(\d+)\.(\d+)", config.read_text(encoding="utf-8"), re.MULTILINE)
        version = tuple(map(int, found.groups())) if found else ()
        return version if version >= self.at_least else None


ENVIRONMENTS = {
    environment.django: environment
    for environment in (
        Environment("5.2", ROOT / ".venv-django52", (3, 11)),
        Environment("6.1", ROOT / ".venv-django61", (3, 12)),
    )
}


def ensure(environment: Environment) -> Environment:
    """Make or update the environment unless it is current; PythonNotFound, InstallationFailed if it cannot be."""
    if environment.is_current():
        return environment
    with _locked():
        if not environment.is_current():  # another process may have been at it while we waited
            _make(environment)
    return environment


@contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time make environments; the folder is locked, so that no lock file is left."""
    folder = os.open(EXAMPLE_TESTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _make(environment: Environment) -> None:
    python, version = find_python(environment.at_least)
    if environment.made_with() != version:
        _run([python, "-m", "venv", "--clear", str(environment.folder)])
    environment.stamp_file.unlink(missing_ok=True)
    pip = [str(environment.python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--upgrade", environment.requirement, "-r", str(REQUIREMENTS)])
    environment.stamp_file.write_text(environment.stamp(version), encoding="utf-8")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallationFailed(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def find_python(at_least: Version) -> tuple[str, Version]:
    """Path and version of the first Python that runs and is new enough, this one before others."""
    if sys.version_info[:3] >= at_least:
        return sys._base_executable or sys.executable, sys.version_info[:3]  # type: ignore[attr-defined]
    for command in _candidates(at_least):
        found = _about(command)
        if found and found[1] >= at_least:
            return found
    wanted = ".".join(map(str, at_least))
    raise PythonNotFound(
        f"no Python >= {wanted} runs here; install one (apt-get install python{wanted}, uv python install"
        f" {wanted} or pyenv install {wanted}) and call scripts/example_envs"
    )


def _candidates(at_least: Version) -> Iterator[str]:
    """Commands that may be a new enough Python, by name and then among what pyenv has installed."""
    for minor in range(14, at_least[1] - 1, -1):
        yield f"python3.{minor}"
    yield "python3"
    for name in (_output("pyenv", "versions", "--bare") or "").split():
        if folder := _output("pyenv", "prefix", name):
            yield f"{folder.strip()}/bin/python3"


def _about(command: str) -> tuple[str, Version] | None:
    """Path and version of what `command` runs, found by running it: a pyenv shim may exist and fail."""
    if (output := _output(command, "-c", ABOUT)) is None:
        return None
    executable, *version = json.loads(output)
    return executable, tuple(version)


def _output(*command: str) -> str | None:
    """What the command prints; None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout


def main() -> int:
    """Bring every environment up to date and report each; 1 if one cannot be had.

    Where no Python is new enough, the runs that need it are skipped: only in CI is that an error.
    """
    failed = False
    for environment in ENVIRONMENTS.values():
        try:
            ensure(environment)
            print(f"{environment.folder.name}: {environment.requirement}, up to date")
        except (PythonNotFound, InstallationFailed) as error:
            print(f"{environment.folder.name}: {error}", file=sys.stderr)
            failed |= isinstance(error, InstallationFailed) or os.environ.get("CI") == "true"
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
