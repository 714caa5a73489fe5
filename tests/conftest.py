"""Fixtures for all tests: the real index of the real content, and a real server on a free port."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.assistant import Assistant
from app.building import build
from app.embedding_cache import EmbeddingCache
from app.embedding_model import EmbeddingModel
from app.settings import Settings
from tests.corpora import write_corpus
from tests.examples.environments import PythonNotFound
from tests.examples.servers import Servers, ServerUnavailable
from tests.service import Service

MINILM = "all-MiniLM-L6-v2"
IN_CI = os.environ.get("CI") == "true"
Start = Callable[..., Service]
Serve = Callable[..., str]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI everything that a test needs has to be there: a skip is a failure."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


@contextmanager
def lacking_is_failing_in_ci() -> Iterator[None]:
    """Skip, with what to install, where the machine lacks something; in CI that is a failure."""
    try:
        yield
    except (PythonNotFound, ServerUnavailable) as lacking:
        # Read here: tests of this very thing say where they are.
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(lacking))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The settings that say where an empty journal is."""
    if request.param == "sqlite":
        yield {"data_dir": tmp_path / "data"}
        return
    with lacking_is_failing_in_ci(), servers.variables(("postgresql",)) as variables:
        yield {"data_dir": tmp_path / "unused", "database_url": variables["EXAMPLE_DATABASE_URL"]}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The default settings, with an index that is up to date and a journal of their own."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    build(settings)
    return settings


@pytest.fixture(scope="session")
def assistant(settings: Settings) -> Assistant:
    return Assistant.load(settings)


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    """A small corpus that a test may change."""
    return write_corpus(tmp_path / "content")


@pytest.fixture(scope="session")
def minilm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `.cache` of an index with the small model's encoder, exported once for all tests."""
    folder = tmp_path_factory.mktemp("minilm")
    cache = EmbeddingCache(folder / ".cache", EmbeddingModel.find(MINILM))
    cache.export_encoder(folder / "exported", report=lambda _: None)
    return folder / ".cache"


@pytest.fixture
def small(corpus_folder: Path, minilm_cache: Path, tmp_path: Path) -> Settings:
    """Settings for a small corpus and the small model, whose encoder is already exported."""
    settings = Settings(content_dir=corpus_folder, index_dir=tmp_path / "index", model=MINILM)
    shutil.copytree(minilm_cache, settings.index_dir / ".cache")
    return settings


@pytest.fixture(scope="session")
def start(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Call it with settings as keywords (`max_body_bytes=2048`) for a running service, on `port` if one is given."""
    running: list[Service] = []

    def start(
        environment: Mapping[str, str] | None = None, *, port: int | None = None, **changes: object
    ) -> Service:
        folder = tmp_path_factory.mktemp("service")
        settings = {"data_dir": folder / "data", **changes}
        running.append(Service.start(folder / "output", settings, environment or {}, port))
        return running[-1]

    yield start
    for service in running:
        service.stop()


@pytest.fixture(scope="session")
def serve(start: Start) -> Serve:
    """The same for those who only want its address."""
    return lambda **changes: start(**changes).address


@pytest.fixture(scope="session")
def server(serve: Serve) -> str:
    """The address of a server with default settings."""
    return serve(log_level="warning")
