"""`scenarios evaluate`: figures by hand, the comparison with the accepted run, the report, and the gate itself."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.about import Figures
from app.accepted_run import AcceptedRun, accepted_path, compare, key_of, save
from app.bench import Asked, FollowedUp
from app.errors import AcceptedRunUnusable
from app.evaluation import Evaluation
from app.published import CategoryRef
from app.settings import PROJECT, Settings
from tests.test_cli import COMMAND, refused, run

KITCHEN, GARDEN = CategoryRef(slug="kitchen", title="Kitchen"), CategoryRef(slug="garden", title="Garden")
SOURCE_QUESTIONS = [
    json.loads(line)
    for line in (PROJECT / "tests" / "source_questions.jsonl").read_text(encoding="utf-8").splitlines()[:16]
]


def asked(
    text: str, kind: str, outcome: str, rank: int = 0, confidence: float = 0.5, right: int = 1
) -> Asked:
    """A question whose right scenario is found at `rank`."""
    ranking = [number for number in (1, 2, 11) if number != right]
    if rank:
        ranking.insert(rank - 1, right)
    return Asked(text, kind, (right,) if rank else (), tuple(ranking), confidence, outcome, 2.0)


ASKED = [
    asked("a", "in_scope", "answered_right", 1, 0.9),
    asked("b", "in_scope", "answered_right", 1, 0.8),
    asked("c", "in_scope", "suggested_right", 2, 0.4),
    asked("d", "in_scope", "answered_wrong", 3, 0.7, right=11),
    asked("e", "tracebacks", "refused", 1, 0.1, right=11),
    asked("f", "near", "refused", confidence=0.1),
    asked("g", "near", "answered", confidence=0.8),
    asked("h", "far", "refused", confidence=0.0),
]


def evaluation_of(questions: Sequence[Asked], follow_ups: Sequence[FollowedUp] = ()) -> Evaluation:
    return Evaluation(
        index="0123456789abcdef",
        model="tiny",
        categories={1: KITCHEN, 2: KITCHEN, 11: GARDEN},
        asked=list(questions),
        follow_ups=list(follow_ups),
        typo_hits=[True, False, False, False],
    )


def test_the_figures_are_counted_by_kind() -> None:
    figures = evaluation_of(ASKED).figures
    assert figures["in_scope"] == {
        "questions": 4,
        "hit@1": 0.5,
        "hit@3": 1.0,
        "mrr": round((1 + 1 + 1 / 2 + 1 / 3) / 4, 4),
        "answered_right": 0.5,
        "suggested_right": 0.25,
        "suggested_wrong": 0.0,
        "answered_wrong": 0.25,
        "refused": 0.0,
        "helped": 0.75,
        "replies_with_a_secret": 0,
    }
    assert (figures["tracebacks"]["hit@1"], figures["tracebacks"]["refused"]) == (1, 1)
    assert figures["out_of_scope"]["near"] == {
        "questions": 2,
        "answered": 0.5,
        "suggested": 0.0,
        "refused": 0.5,
    }
    assert figures["out_of_scope"]["far"]["refused"] == 1
    assert figures["typos"] == {"questions": 4, "hit@1": 0.25, "loss_of_hit@1": 0.25}
    assert "followups" not in figures


def test_a_question_counts_in_the_category_of_its_first_right_scenario() -> None:
    categories = evaluation_of(ASKED).figures["categories"]
    assert {title: row["questions"] for title, row in categories.items()} == {"Kitchen": 3, "Garden": 2}
    assert categories["Garden"]["hit@1"] == 0.5


def test_to_be_sure_of_what_nothing_answers_is_never_right() -> None:
    figures = evaluation_of(ASKED).figures
    # One question a bin: the gaps are 1 - 0.9, 1 - 0.8, 0.4, 0.7, 1 - 0.1, 0.1, 0.8 and 0.
    assert figures["calibration"]["questions"] == 8
    assert figures["calibration"]["error"] == pytest.approx(3.2 / 8)
    assert figures["coverage"][-1] == {"answered": 1.0, "wrong": 0.625}


def test_a_leak_is_counted() -> None:
    leaking = evaluation_of([*ASKED, replace(ASKED[4], text="i", repeats_secret=True)])
    assert leaking.secrets_repeated == 1
    assert leaking.figures["tracebacks"]["replies_with_a_secret"] == 1


def test_the_time_beyond_the_encoder_is_that_of_questions_in_scope() -> None:
    times = [replace(ASKED[0], beyond_encoder_ms=ms) for ms in (1.0, 2.0, 9.0)]
    slow = replace(ASKED[5], beyond_encoder_ms=99.0)
    assert evaluation_of([*times, slow]).milliseconds["p50"] == 2.0


def test_an_accepted_run_is_compared_question_by_question(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    assert AcceptedRun.load(path) is None
    save(path, evaluation_of(ASKED))
    accepted = AcceptedRun.load(path)
    assert accepted is not None
    now = [
        asked("a", "in_scope", "suggested_right", 2),
        asked("c", "in_scope", "answered_right", 1),
        asked("g", "near", "refused"),
        asked("new", "in_scope", "refused", 3),
    ]
    changes = compare(accepted, evaluation_of(now))
    counts = {measure: (c.questions, c.lost, c.won) for measure, c in changes.items()}
    assert counts == {"hit@1": (2, 1, 1), "helped": (2, 0, 0), "near not answered": (1, 0, 1)}
    assert compare(accepted, evaluation_of([asked("new", "in_scope", "refused", 3)])) == {}


def test_the_page_about_the_assistant_reads_the_accepted_run(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    save(path, evaluation_of(ASKED))
    figures = Figures.load(path)
    assert figures is not None
    assert (figures.in_scope.questions, figures.in_scope.hit_1) == (4, 0.5)
    assert figures.out_of_scope.near is not None
    assert figures.out_of_scope.near.answered == 0.5
    assert figures.reliability_plot is not None
    assert figures.coverage_plot is not None


def test_questions_are_kept_by_a_hash_and_not_by_their_text(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    save(path, evaluation_of([asked("my very own words", "in_scope", "answered_right", 1)]))
    assert "my very own words" not in path.read_text()
    assert json.loads(path.read_text())["ranks"] == {key_of("my very own words"): 1}


@pytest.mark.parametrize("text", ["", "[]", '{"in_scope": {}}', '{"ranks": {"a": "b"}, "outcomes": {}}'])
def test_an_accepted_run_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(text)
    with pytest.raises(AcceptedRunUnusable, match=rf"{re.escape(str(path))} is no accepted run .* --accept"):
        AcceptedRun.load(path)


@pytest.fixture
def corpus(tmp_path: Path, assistant: object) -> Path:
    """A folder with labelled questions of its own, for the real index."""
    label(tmp_path, 0)
    return tmp_path


def label(folder: Path, shift: int) -> None:
    """Source questions with the label of the one `shift` further on."""
    test = folder / "evaluation" / "test"
    test.mkdir(parents=True, exist_ok=True)
    rows = [
        {"text": row["text"], "ok": [SOURCE_QUESTIONS[(place + shift) % len(SOURCE_QUESTIONS)]["id"]]}
        for place, row in enumerate(SOURCE_QUESTIONS)
    ]
    (test / "in_scope.jsonl").write_text("\n".join(map(json.dumps, rows)))


def evaluate(folder: Path, *options: str, status: int = 0) -> tuple[str, str]:
    content = str(folder / "content")
    done = run("evaluate", *options, status=status, SCENARIOS_CONTENT_DIR=content)
    return done.stdout, done.stderr


def test_the_first_run_is_accepted_and_a_worse_one_fails(corpus: Path) -> None:
    output, _ = evaluate(corpus, "--no-report", "--accept")
    assert "No accepted run to compare with" in output
    output, _ = evaluate(corpus, "--no-report")
    assert re.search(r"hit@1\D+16 .* 0 .* 0 .* 1\.000", output)
    accepted = (corpus / "evaluation" / "accepted.json").read_bytes()
    label(corpus, 1)
    _, errors = evaluate(corpus, "--no-report", status=1)
    assert "significantly worse than the accepted run: hit@1, helped" in errors
    assert (corpus / "evaluation" / "accepted.json").read_bytes() == accepted
    assert not (corpus / "evaluation" / "report.html").exists()


def test_the_figures_come_as_json_for_other_programs(corpus: Path) -> None:
    output, _ = evaluate(corpus, "--no-report", "--json")
    figures = json.loads(output)
    assert figures["in_scope"]["questions"] == 16
    assert figures["changes"] == {}
    assert figures["milliseconds"].keys() == {"p50", "p95"}


def test_a_reply_that_repeats_a_secret_fails_and_is_not_accepted(corpus: Path) -> None:
    row = {"text": SOURCE_QUESTIONS[0]["text"] + " hunter", "ok": [1], "secrets": ["hunter"]}
    (corpus / "evaluation" / "test" / "tracebacks.jsonl").write_text(json.dumps(row))
    _, errors = evaluate(corpus, "--no-report", "--accept", status=1)
    assert "1 replies repeat a planted secret" in errors
    assert not (corpus / "evaluation" / "accepted.json").exists()


def test_the_report_is_one_file_that_needs_nothing_else(corpus: Path) -> None:
    label(corpus, 1)
    path = corpus / "evaluation" / "test" / "in_scope.jsonl"
    hostile = {"text": "<script>alert('n+1 queries')</script>", "ok": [SOURCE_QUESTIONS[0]["id"]]}
    path.write_text(path.read_text() + "\n" + json.dumps(hostile))
    evaluate(corpus)
    report = (corpus / "evaluation" / "report.html").read_text()
    assert "<script" not in report
    assert "&lt;script&gt;alert" in report
    assert re.findall(r'(?:src|href)="(?!#)|url\(|@import', report) == []
    for part in ("outcomes", "confidence", "categories", "confusions", "map", "failures"):
        assert f'id="{part}"' in report
    # Nothing to fit on, so no ablation.
    assert 'id="signals"' not in report


def test_a_folder_without_questions_is_refused_with_the_remedy(tmp_path: Path, assistant: object) -> None:
    line = refused("evaluate", SCENARIOS_CONTENT_DIR=str(tmp_path / "content"))
    assert "no labelled questions in scope" in line
    assert "evaluation/README.md" in line


@pytest.mark.timeout(900)
def test_quality_has_not_fallen_significantly_below_the_accepted_run(settings: Settings) -> None:
    """The gate of CI. If a change is meant to cost this much: `scenarios evaluate --accept`, and say why."""
    assert accepted_path(settings).is_file()
    done = subprocess.run(
        [*COMMAND, "evaluate", "--no-report"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Against the accepted run" in done.stdout
