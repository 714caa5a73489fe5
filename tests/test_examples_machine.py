"""What the examples need of the machine: a Python for each Django, real servers, or a clear word."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.conftest import lacking_is_failing_in_ci
from tests.examples import environments
from tests.examples.environments import ENVIRONMENTS, Environment, PythonNotFound, find_python
from tests.examples.servers import Servers, ServerUnavailable

UNREACHED = (3, 99)


@pytest.fixture
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.close()


@pytest.fixture
def only_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write_program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


class TestPython:
    def test_the_running_python_is_taken_if_it_is_new_enough(self) -> None:
        assert find_python((3, 11))[1] == sys.version_info[:3]

    def test_a_shim_that_exists_and_fails_does_not_count(self, only_program: Path) -> None:
        write_program(only_program / "python3", "echo 'command not found' >&2; exit 127")
        with pytest.raises(PythonNotFound, match=r"no Python >= 3\.99 runs here; install one"):
            find_python(UNREACHED)

    def test_what_pyenv_has_installed_counts_though_no_shim_runs_it(self, only_program: Path) -> None:
        write_program(only_program / "python3", "exit 127")
        write_program(
            only_program / "pyenv", f"[ $1 = prefix ] && echo {only_program}/$2 || echo 3.98.1 3.99.2"
        )
        for version in ("3.98.1", "3.99.2"):
            (only_program / version / "bin").mkdir(parents=True)
            answer = f'["a python", {version.replace(".", ", ")}]'
            write_program(only_program / version / "bin" / "python3", f"echo '{answer}'")
        assert find_python(UNREACHED) == ("a python", (3, 99, 2))


class TestEnvironments:
    @pytest.fixture
    def made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
        """An environment that looks made, with requirements of its own."""
        requirements = tmp_path / "requirements.txt"
        requirements.write_text("pytest\n")
        monkeypatch.setattr(environments, "REQUIREMENTS", requirements)
        environment = Environment("5.2", tmp_path / "venv", (3, 11))
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)
        (environment.folder / "pyvenv.cfg").write_text("version = 3.11.7\n")
        (environment.folder / "example-stamp").write_text(environment.stamp((3, 11, 7)))
        return environment

    def test_one_that_nothing_changed_for_is_current(self, made: Environment) -> None:
        assert made.is_current()

    def test_a_new_requirement_makes_it_stale(self, made: Environment) -> None:
        environments.REQUIREMENTS.write_text("pytest\ncelery\n")
        assert not made.is_current()

    def test_a_python_that_is_too_old_or_gone_makes_it_stale(self, made: Environment) -> None:
        assert not dataclasses.replace(made, at_least=(3, 12)).is_current()
        made.python.unlink()
        assert not made.is_current()

    def test_neither_is_the_one_that_runs_the_tests(self) -> None:
        for environment in ENVIRONMENTS.values():
            assert environment.folder.resolve() != Path(sys.prefix).resolve()


class TestServers:
    def test_postgresql_is_real_and_each_run_finds_it_empty(self, servers: Servers) -> None:
        for _ in range(2):
            with lacking_is_failing_in_ci(), servers.variables(("postgresql",)) as variables:
                with psycopg.connect(variables["EXAMPLE_DATABASE_URL"], autocommit=True) as connection:
                    connection.execute("CREATE DATABASE test_example")
                    connection.execute("CREATE ROLE reader")
                    connection.execute("CREATE TABLE shop_order (id int)")
                    connection.execute("GRANT SELECT ON shop_order TO reader")

    def test_redis_is_real_and_each_run_finds_it_empty(self, servers: Servers) -> None:
        for _ in range(2):
            with lacking_is_failing_in_ci(), servers.variables(("redis",)) as variables:
                with redis.Redis.from_url(variables["EXAMPLE_REDIS_URL"]) as client:
                    assert client.incr("visits") == 1

    def test_a_server_that_no_example_can_have_is_an_error(self, servers: Servers) -> None:
        with pytest.raises(ValueError, match=r"NEEDS names \['mysql'\]"), servers.variables(("mysql",)):
            pass

    def test_a_missing_program_skips_with_the_command_that_installs_it_and_fails_in_ci(
        self, servers: Servers, only_program: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ask() -> None:
            with lacking_is_failing_in_ci(), servers.variables(("redis",)):
                pass

        monkeypatch.delenv("CI", raising=False)
        with pytest.raises(pytest.skip.Exception, match="apt-get install redis-server"):
            ask()
        monkeypatch.setenv("CI", "true")
        with pytest.raises(ServerUnavailable, match="apt-get install redis-server"):
            ask()
