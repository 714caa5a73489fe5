"""What `scripts/benchmark` runs. Ratios between rows of one run hold; absolute times are this machine's."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RUNS = 5
QUESTIONS = 200
EVENTS = 200

# Each is a process of its own, so that imports and memory are counted whole.
PROCESSES = {
    "import the serve half": "import app.main",
    "import it, load the index, answer once": (
        "from app.assistant import Assistant; from app.settings import Settings; import app.main; "
        "Assistant.load(Settings()).ask('why is my list view slow?')"
    ),
    "import sentence-transformers, for comparison": "import sentence_transformers",
    "a build with nothing to do": (
        "from app.building import build; from app.settings import Settings; build(Settings())"
    ),
}


def main() -> None:
    print(f"{'':48}{'seconds':>10}{'MB':>8}   (median of {RUNS} processes)")
    for name, code in PROCESSES.items():
        seconds, megabytes = zip(*(process(code) for _ in range(RUNS)), strict=True)
        print(f"{name:48}{statistics.median(seconds):10.2f}{statistics.median(megabytes):8.0f}")
    print()
    answering()
    print()
    slack()
    print()
    building()


def process(code: str) -> tuple[float, float]:
    """Wall seconds and peak megabytes of a fresh Python that runs `code`."""
    measured = f"{code}\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", measured], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - started, float(run.stdout.split()[-1])


def answering() -> None:
    """The parts of one question, in one process."""
    from app.assistant import Assistant
    from app.encoder import OnnxEncoder
    from app.manifest import CURRENT
    from app.serving_index import ENCODER_FOLDER
    from app.settings import Settings

    settings = Settings()
    assistant = Assistant.load(settings)
    texts = [text for scenario in assistant.scenarios.values() for text in scenario.asked_as][:QUESTIONS]
    encoder = OnnxEncoder.load(settings.index_dir / CURRENT / ENCODER_FOLDER, settings.encoder_threads)
    print(f"{'one question':48}{'p50 ms':>10}{'p95 ms':>8}   ({len(texts)} questions)")
    timed("answered", lambda text: assistant.ask(text), texts)
    timed("  of which encoded", lambda text: encoder.encode([text]), texts)


def slack() -> None:
    """Events from Slack that come at once: how soon they are acknowledged, and all of them answered."""
    import asyncio
    import secrets

    import aiohttp

    sys.path.insert(0, str(PROJECT))
    from tests.service import Service
    from tests.slack_stand_in import Sender, SlackStandIn, direct, event_body

    stand_in, secret, folder = SlackStandIn(), secrets.token_hex(16), Path(tempfile.mkdtemp())
    service = Service.start(
        folder / "output", {"data_dir": folder / "data", "log_level": "warning"}, stand_in.environment(secret)
    )
    sender = Sender(service.address, secret)
    bodies = [json.dumps(event_body(direct("why is my list view slow?"))).encode() for _ in range(EVENTS)]

    async def deliver(session: aiohttp.ClientSession, body: bytes) -> float:
        started = time.perf_counter()
        async with session.post(
            f"{service.address}/slack/events", data=body, headers=sender.headers(body)
        ) as reply:
            assert reply.status == 200, reply.status
        return (time.perf_counter() - started) * 1000

    async def deliver_all() -> list[float]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=EVENTS)) as session:
            return await asyncio.gather(*(deliver(session, body) for body in bodies))

    started = time.perf_counter()
    spent = asyncio.run(deliver_all())
    stand_in.wait(count=EVENTS)
    whole = time.perf_counter() - started
    print(f"{f'{EVENTS} events from Slack at once':48}{'p50 ms':>10}{'p99 ms':>8}")
    print(f"{'acknowledged':48}{statistics.median(spent):10.0f}{statistics.quantiles(spent, n=100)[-1]:8.0f}")
    print(f"{'all answered, after':48}{whole:10.1f} s")
    service.stop()
    stand_in.close()
    shutil.rmtree(folder)
    assert len(stand_in.sent()) == EVENTS, "answered more than once"


def timed(name: str, call: Callable[[str], object], texts: list[str]) -> None:
    call(texts[0])
    spent = []
    for text in texts:
        started = time.perf_counter()
        call(text)
        spent.append((time.perf_counter() - started) * 1000)
    print(f"{name:48}{statistics.median(spent):10.2f}{statistics.quantiles(spent, n=20)[-1]:8.2f}")


def building() -> None:
    """A whole build, and one after a single edit, in a folder of their own."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(PROJECT / "content", folder / "content")
    print(f"{'a build':48}{'seconds':>10}")
    print(f"{'from nothing':48}{build_seconds(folder):10.1f}")
    edited = next((folder / "content").glob("*/*.md"), None)
    if edited and edited.name != "README.md":
        text = edited.read_text(encoding="utf-8")
        edited.write_text(text.replace("\n## Problem\n\n", "\n## Problem\n\nIn short: ", 1), encoding="utf-8")
        print(f"{'after one edited text':48}{build_seconds(folder):10.1f}")
    shutil.rmtree(folder)


def build_seconds(folder: Path) -> float:
    code = (
        "from pathlib import Path; from app.building import build; from app.settings import Settings; "
        f"build(Settings(content_dir=Path({str(folder / 'content')!r}), index_dir=Path({str(folder / 'index')!r})))"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
