"""Real servers for the examples that ask for them: each is started when first needed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

HOST = "127.0.0.1"
START_SECONDS = 30
# Debian keeps the programs of each PostgreSQL out of the PATH.
POSTGRESQL_FOLDERS = tuple(Path("/usr/lib/postgresql").glob("*/bin"))
POSTGRESQL_OPTIONS = {
    "listen_addresses": HOST,
    "max_connections": "100",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
# What outlives the run that made it; the next run starts without.
DATABASES_MADE = "SELECT quote_ident(datname) FROM pg_database WHERE datname !~ '^(template|postgres$)'"
ROLES_MADE = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'"


class ServerUnavailable(Exception):
    """A server cannot run on this machine; the message says what to install."""


class Servers:
    """Starts what examples need; PostgreSQL runs on until `close`, since its start takes a second."""

    def __init__(self) -> None:
        self._started = ExitStack()
        self._postgresql: str | None = None

    def close(self) -> None:
        self._started.close()

    @contextmanager
    def variables(self, needs: tuple[str, ...]) -> Iterator[dict[str, str]]:
        """The environment variables of one run, in which every server named is fresh."""
        offered: dict[str, Callable[[], Iterator[dict[str, str]]]] = {
            "nginx": self._nginx,
            "postgresql": self._database,
            "redis": self._redis,
        }
        if unknown := set(needs) - offered.keys():
            raise ValueError(f"NEEDS names {sorted(unknown)}; there are {sorted(offered)}")
        with ExitStack() as stack:
            variables: dict[str, str] = {}
            for need in needs:
                variables |= stack.enter_context(contextmanager(offered[need])())
            yield variables

    def _nginx(self) -> Iterator[dict[str, str]]:
        yield {"EXAMPLE_NGINX": find_program("nginx", "nginx")}

    def _redis(self) -> Iterator[dict[str, str]]:
        with _running_redis() as url:
            yield {"EXAMPLE_REDIS_URL": url}

    def _database(self) -> Iterator[dict[str, str]]:
        if self._postgresql is None:
            server = self._started.enter_context(new_postgresql())
            self._postgresql = self._started.enter_context(server.running())
        with psycopg.connect(f"{self._postgresql}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE example")
            try:
                yield {"EXAMPLE_DATABASE_URL": f"{self._postgresql}/example"}
            finally:
                _clean(connection)


def _clean(connection: psycopg.Connection) -> None:
    for (database,) in connection.execute(DATABASES_MADE).fetchall():
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)")
    for (role,) in connection.execute(ROLES_MADE).fetchall():
        connection.execute(f"DROP ROLE {role}")


@dataclass(frozen=True)
class Postgresql:
    """A PostgreSQL without passwords on a port of its own, which can be stopped and started again."""

    folder: Path
    user: str | None
    port: int

    @property
    def url(self) -> str:
        """Its URL, without a database."""
        return f"postgresql://postgres@{HOST}:{self.port}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yields `url` while the server runs."""
        postgres = find_program("postgres", "postgresql", POSTGRESQL_FOLDERS)
        command = [postgres, "-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)]
        command += [f"--{name}={value}" for name, value in POSTGRESQL_OPTIONS.items()]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        with _running(command, self.folder, self.user, signal.SIGINT) as process:
            _wait(process, self.folder, lambda: psycopg.connect(f"{self.url}/postgres").close())
            yield self.url


@contextmanager
def new_postgresql() -> Iterator[Postgresql]:
    """A new one, not yet running; its folder goes with it."""
    initdb = find_program("initdb", "postgresql", POSTGRESQL_FOLDERS)
    with _server_folder() as (folder, user):
        data = str(folder / "data")
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        made = subprocess.run(
            [initdb, *options, data], user=user, cwd=folder, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise ServerUnavailable(f"initdb failed:\n{made.stdout}{made.stderr}")
        yield Postgresql(folder, user, _free_port())


@contextmanager
def _running_redis() -> Iterator[str]:
    """A new Redis that writes nothing to the disk; yields its URL."""
    server = find_program("redis-server", "redis-server")
    with _server_folder() as (folder, user):
        port = _free_port()
        command = [server, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        with _running(command, folder, user, signal.SIGTERM) as process:
            _wait(process, folder, lambda: _ping(port))
            yield f"redis://{HOST}:{port}/0"


def _ping(port: int) -> None:
    with redis.Redis(HOST, port) as client:
        client.ping()


def find_program(name: str, package: str, folders: Iterable[Path] = ()) -> str:
    """The path of a server's program; the newest, where `folders` are those of several versions."""
    newest_first = sorted(folders, key=lambda folder: int(folder.parent.name), reverse=True)
    path = os.pathsep.join([*map(str, newest_first), os.environ["PATH"], "/usr/sbin"])
    if found := shutil.which(name, path=path):
        return found
    raise ServerUnavailable(f"{name} is not installed here; run: apt-get install {package}")


@contextmanager
def _server_folder() -> Iterator[tuple[Path, str | None]]:
    """A short-named folder (a socket's path is limited) and the user who owns it: None is ourselves.

    PostgreSQL refuses to run as root, so for root both belong to the user that Debian's package makes.
    """
    folder = Path(tempfile.mkdtemp(prefix="srv-"))
    user = "postgres" if os.geteuid() == 0 else None
    try:
        if user:
            try:
                account = pwd.getpwnam(user)
            except KeyError:
                raise ServerUnavailable(
                    f"root needs a user '{user}'; run: apt-get install postgresql"
                ) from None
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: list[str], folder: Path, user: str | None, stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, user=user, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], folder: Path, connect: Callable[[], object]) -> None:
    """Return as soon as `connect` succeeds; ServerUnavailable with the log if the server does not come up."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            connect()
        except (psycopg.OperationalError, redis.ConnectionError):
            time.sleep(0.02)
        else:
            return
    raise ServerUnavailable(f"{process.args!r} does not come up:\n{(folder / 'log').read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
