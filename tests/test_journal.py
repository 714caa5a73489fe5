"""What the journal keeps, and for how long; the same on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Row, select, text, update

from app import migrations
from app.assistant import Answer, Assistant
from app.database import SQLITE_FILE, Database
from app.journal import KEPT_CANDIDATES, MAX_COMMENT_CHARS, Journal
from app.journal_writer import MAX_WAITING, Counters
from app.settings import PROJECT, Settings
from app.tables import answers, metadata

QUESTION = "a bank calls us asking for text/xml and gets 406, json must stay the default"
WAIT_SECONDS = 30
# Each waits for a line, so that all of them open the database at the same moment.
WRITER = """
import sys, time
from app.assistant import Answer, Verdict
from app.journal import Journal
from app.settings import Settings
journal = Journal(Settings.from_environment(), "fingerprint")
print("ready", flush=True)
sys.stdin.readline()
journal.start()
for n in range(20):
    answer = Answer(f"{int(sys.argv[1]):02x}{n:030x}", "q", Verdict.NO_ANSWER, 0.0, None, (), (), 1.0)
    journal.record_answer(answer, surface="cli")
while journal.counters.waiting:
    time.sleep(0.01)
journal.close()
"""


@pytest.fixture
def settings_here(place: dict[str, Any]) -> Settings:
    return Settings(**place)


@pytest.fixture
def answer(assistant: Assistant) -> Answer:
    return assistant.ask(QUESTION)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def running(settings: Settings) -> Iterator[Journal]:
    journal = Journal(settings, "a fingerprint")
    journal.start()
    yield journal
    journal.close()


def record(settings: Settings, *calls: Callable[[Journal], None]) -> Counters:
    """A journal that lives until these calls are written."""
    with running(settings) as journal:
        for call in calls:
            call(journal)
        wait_until(lambda: journal.counters.waiting == 0)
    return journal.counters


def stored(settings: Settings) -> Sequence[Row[Any]]:
    database = Database.from_settings(settings)
    with database.transaction() as connection:
        rows = connection.execute(select(answers).order_by(answers.c.asked_at)).all()
    database.close()
    return rows


def execute(settings: Settings, statement: Any) -> None:
    database = Database.from_settings(settings)
    with database.transaction() as connection:
        connection.execute(statement)
    database.close()


def asked(answer: Answer, **more: Any) -> Callable[[Journal], None]:
    return lambda journal: journal.record_answer(answer, **({"surface": "web"} | more))


def test_an_answer_is_stored_with_all_that_explains_it(settings_here: Settings, answer: Answer) -> None:
    before = datetime.now(UTC)
    counters = record(settings_here, asked(answer, surface="api", category="api-design", follow_up=True))
    [row] = stored(settings_here)
    assert counters == Counters(written=1)
    assert (row.answer_id, row.question, row.surface) == (answer.answer_id, QUESTION, "api")
    assert (row.category, row.follow_up) == ("api-design", True)
    assert (row.verdict, row.confidence) == ("answer", pytest.approx(answer.confidence))
    assert (row.took_ms, row.fingerprint) == (pytest.approx(answer.took_ms), "a fingerprint")
    assert before <= row.asked_at <= datetime.now(UTC)
    assert row.asked_at.tzinfo is UTC
    assert len(row.candidates) == KEPT_CANDIDATES
    assert row.candidates[0] == {
        "scenario_id": 2,
        "score": round(answer.candidates[0].score, 4),
        "confidence": round(answer.candidates[0].confidence, 4),
    }
    assert (row.helpful, row.comment, row.feedback_at) == (None, None, None)
    assert (row.chosen_scenario_id, row.chosen_at) == (None, None)


def test_of_feedback_and_choices_the_last_word_counts(settings_here: Settings, answer: Answer) -> None:
    counters = record(
        settings_here,
        asked(answer),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=True, comment="fits"),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=False, comment=" no XML here\n"),
        lambda journal: journal.record_choice(answer.answer_id, 3),
        lambda journal: journal.record_choice(answer.answer_id, 4),
    )
    [row] = stored(settings_here)
    assert counters == Counters(written=5)
    assert (row.helpful, row.comment, row.chosen_scenario_id) == (False, "no XML here", 4)
    assert row.asked_at <= row.feedback_at <= row.chosen_at


def test_feedback_on_an_answer_of_an_earlier_start_is_stored(settings_here: Settings, answer: Answer) -> None:
    record(settings_here, asked(answer))
    record(settings_here, lambda journal: journal.record_feedback(answer.answer_id, helpful=True))
    [row] = stored(settings_here)
    assert (row.question, row.helpful, row.comment) == (QUESTION, True, None)


@pytest.mark.parametrize(
    "answer_id", ["0" * 32, "", "x" * 32, "A" * 32, "0" * 33, "0" * 32 + "\n", "' OR 1=1 --"]
)
def test_feedback_on_no_known_answer_leaves_no_trace(
    settings_here: Settings, answer: Answer, answer_id: str
) -> None:
    record(
        settings_here,
        asked(answer),
        lambda journal: journal.record_feedback(answer_id, helpful=True, comment="forged"),
        lambda journal: journal.record_choice(answer_id, 2),
    )
    [row] = stored(settings_here)
    assert (row.answer_id, row.helpful, row.chosen_scenario_id) == (answer.answer_id, None, None)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("'); DROP TABLE answers; --", "'); DROP TABLE answers; --"),
        ("<img src=x onerror=alert(1)> {{ 7 * 7 }} %s :x", "<img src=x onerror=alert(1)> {{ 7 * 7 }} %s :x"),
        ("日本語 🚀\r\n\tÄ\x07", "日本語 🚀\r\n\tÄ\x07"),
        ("nul \x00 here", "nul \N{REPLACEMENT CHARACTER} here"),
    ],
)
def test_any_text_is_stored_as_it_is(settings_here: Settings, answer: Answer, sent: str, kept: str) -> None:
    record(
        settings_here,
        asked(replace(answer, question=sent)),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=True, comment=sent),
    )
    [row] = stored(settings_here)
    assert (row.question, row.comment) == (kept, kept)


def test_half_a_character_in_a_comment_is_replaced(settings_here: Settings, answer: Answer) -> None:
    record(
        settings_here,
        asked(answer),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=True, comment="half \ud83d one"),
    )
    assert stored(settings_here)[0].comment == "half ? one"


def test_a_comment_is_cut_after_its_secrets_were_taken_out(settings_here: Settings, answer: Answer) -> None:
    secret = "hunter" + "2hunter2"
    comment = "a" * (MAX_COMMENT_CHARS - 30) + f" postgres://app:{secret}@db/shop" + "b" * 5000
    record(
        settings_here,
        asked(answer),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=False, comment=comment),
    )
    [row] = stored(settings_here)
    assert len(row.comment) == MAX_COMMENT_CHARS
    assert "hunter" not in row.comment


def test_secrets_are_nowhere(settings_here: Settings, assistant: Assistant) -> None:
    secret = "hunter" + "2hunter2"
    told = f"406 from postgres://app:{secret}@db/shop when I ask for XML"
    answer = assistant.ask(told, [f"password={secret}"])
    record(
        settings_here,
        asked(answer, follow_up=True),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=False, comment=told),
    )
    [row] = stored(settings_here)
    assert row.question == row.comment == "406 from postgres://app:[redacted]@db/shop when I ask for XML"
    assert secret not in json.dumps(list(map(str, row)))


def test_one_record_that_cannot_be_stored_holds_up_no_other(
    settings_here: Settings, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    counters = record(
        settings_here,
        asked(answer),
        asked(replace(answer, question="the same id again")),
        lambda journal: journal.record_choice(answer.answer_id, 2**70),
        lambda journal: journal.record_feedback(answer.answer_id, helpful=True),
    )
    [row] = stored(settings_here)
    assert (counters.written, counters.refused, counters.failed) == (2, 2, 0)
    assert (row.question, row.helpful, row.chosen_scenario_id) == (QUESTION, True, None)
    assert "the same id again" not in caplog.text


class TestRetention:
    def days_ago(self, settings: Settings, days: int, answer: Answer) -> None:
        """An answer and a comment of that age."""
        record(
            settings,
            asked(answer),
            lambda journal: journal.record_feedback(
                answer.answer_id, helpful=True, comment="a remark of mine"
            ),
        )
        then = datetime.now(UTC) - timedelta(days=days)
        this = update(answers).where(answers.c.answer_id == answer.answer_id)
        execute(settings, this.values(asked_at=then, feedback_at=then))

    def test_text_that_is_too_old_is_blanked_and_the_rest_kept(
        self, settings_here: Settings, assistant: Assistant
    ) -> None:
        self.days_ago(settings_here, 91, assistant.ask("an old question about XML"))
        self.days_ago(settings_here, 89, assistant.ask("a newer question about XML"))
        with running(settings_here):
            wait_until(lambda: stored(settings_here)[0].question is None)
        old, newer = stored(settings_here)
        assert (old.question, old.comment, old.helpful, old.surface) == (None, None, True, "web")
        assert len(old.candidates) == KEPT_CANDIDATES
        assert (newer.question, newer.comment) == ("a newer question about XML", "a remark of mine")

    def test_without_retention_no_text_is_written_and_that_from_before_goes(
        self, settings_here: Settings, assistant: Assistant
    ) -> None:
        record(settings_here, asked(assistant.ask("a question from before")))
        answer = assistant.ask("a question that nobody keeps")
        with running(settings_here.model_copy(update={"question_retention_days": 0})) as journal:
            journal.record_answer(answer, surface="web")
            journal.record_feedback(answer.answer_id, helpful=False, comment="nor a remark")
            wait_until(lambda: journal.counters.written == 2)
            wait_until(lambda: stored(settings_here)[0].question is None)
        before, after = stored(settings_here)
        assert (before.question, after.question, after.comment) == (None, None, None)
        assert (after.helpful, after.verdict) == (False, answer.verdict)

    def test_blanked_text_is_not_in_the_files_of_sqlite_either(
        self, tmp_path: Path, assistant: Assistant
    ) -> None:
        settings = Settings(data_dir=tmp_path)
        self.days_ago(settings, 91, assistant.ask("what nobody shall read " * 100))

        def files() -> bytes:
            return b"".join(path.read_bytes() for path in tmp_path.iterdir())

        assert b"nobody shall read" in files()
        with running(settings):
            wait_until(lambda: b"nobody shall read" not in files())


class TestSchema:
    def test_it_is_what_the_tables_say(self, settings_here: Settings) -> None:
        database = Database.from_settings(settings_here)
        with database.transaction() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        database.close()

    def test_the_head_is_the_newest_revision(self) -> None:
        assert ScriptDirectory(str(PROJECT / "app" / "migrations")).get_heads() == [migrations.HEAD]

    def test_several_processes_may_make_it_and_write_at_once(
        self, settings_here: Settings, place: dict[str, Any]
    ) -> None:
        environment = {f"SCENARIOS_{name.upper()}": str(value) for name, value in place.items()}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(number)],
                cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True,
            )
            for number in range(5)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        assert [process.communicate("go\n")[1] for process in processes] == [""] * 5
        assert len(stored(settings_here)) == 100

    def test_a_current_one_needs_no_alembic(self, settings_here: Settings, place: dict[str, Any]) -> None:
        stored(settings_here)
        program = "import sys\nsys.argv.append('7')\n" + WRITER + "print('alembic' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=PROJECT, env={f"SCENARIOS_{name.upper()}": str(value) for name, value in place.items()},
            input="go\n", capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("ready\nFalse\n", "")

    def test_a_newer_one_is_written_to_as_it_is(self, settings_here: Settings, answer: Answer) -> None:
        stored(settings_here)
        execute(settings_here, text("UPDATE alembic_version SET version_num = '9999'"))
        assert record(settings_here, asked(answer)) == Counters(written=1)

    def test_the_files_of_sqlite_are_for_their_owner_alone(self, tmp_path: Path, answer: Answer) -> None:
        settings = Settings(data_dir=tmp_path / "new" / "data")
        with running(settings) as journal:
            journal.record_answer(answer, surface="web")
            wait_until(lambda: journal.counters.written == 1)
            modes = {path.name: path.stat().st_mode & 0o777 for path in settings.data_dir.iterdir()}
        assert modes == {SQLITE_FILE + ending: 0o600 for ending in ("", "-wal", "-shm")}
        assert settings.data_dir.stat().st_mode & 0o777 == 0o700


class TestQueue:
    def test_a_deleted_file_is_made_again(self, tmp_path: Path, answer: Answer) -> None:
        settings = Settings(data_dir=tmp_path / "data")
        with running(settings) as journal:
            journal.record_answer(answer, surface="web")
            wait_until(lambda: journal.counters.written == 1)
            shutil.rmtree(settings.data_dir)
            journal.record_answer(replace(answer, answer_id="0" * 32), surface="web")
            wait_until(lambda: journal.counters.written == 2)
        assert [row.answer_id for row in stored(settings)] == ["0" * 32]

    def test_it_is_bounded_and_what_waits_outlives_an_outage(
        self, tmp_path: Path, answer: Answer, caplog: pytest.LogCaptureFixture
    ) -> None:
        in_the_way = tmp_path / "data"
        in_the_way.write_text("a file where the folder should be")
        settings = Settings(data_dir=in_the_way)
        with running(settings) as journal:
            for number in range(MAX_WAITING + 10):
                journal.record_answer(replace(answer, answer_id=f"{number:032x}"), surface="web")
            wait_until(lambda: journal.counters.failed >= 2)
            assert (journal.counters.waiting, journal.counters.dropped) == (MAX_WAITING, 10)
            assert journal.is_failing
            in_the_way.unlink()
            wait_until(lambda: journal.counters.waiting == 0)
            wait_until(lambda: not journal.is_failing)
        assert len(stored(settings)) == MAX_WAITING
        outage, recovery = (record.getMessage() for record in caplog.records)
        assert outage.startswith(
            f"the journal cannot be written: {in_the_way / SQLITE_FILE}: FileExistsError: "
        )
        assert recovery == "the journal is written again; records lost meanwhile: 10"
        assert QUESTION not in caplog.text

    def test_what_can_no_longer_be_written_at_the_end_is_counted(
        self, tmp_path: Path, answer: Answer, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "data").touch()
        with caplog.at_level(logging.ERROR):
            with running(Settings(data_dir=tmp_path / "data")) as journal:
                journal.record_answer(answer, surface="web")
                wait_until(lambda: journal.is_failing)
        assert (journal.counters.written, journal.counters.waiting, journal.counters.dropped) == (0, 0, 1)
        assert "before the end; records lost: 1" in caplog.text
