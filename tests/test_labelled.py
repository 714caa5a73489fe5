"""Labelled questions are read, or refused by file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import QuestionsUnusable
from app.labelled import FollowUp, InScope, Labelled, OutOfScope, Traceback
from app.settings import PROJECT


def test_every_file_has_its_rows(tmp_path: Path) -> None:
    (tmp_path / "in_scope.jsonl").write_text(
        '{"text": "q", "ok": [2, 1], "source": "s"}\n\n', encoding="utf-8"
    )
    (tmp_path / "out_of_scope.jsonl").write_text('{"text": "q", "kind": "far"}', encoding="utf-8")
    (tmp_path / "followups.jsonl").write_text('{"turns": ["a", "b"], "ok": []}\n', encoding="utf-8")
    (tmp_path / "tracebacks.jsonl").write_text(
        '{"text": "E", "ok": [1], "secrets": ["s"]}\n', encoding="utf-8"
    )
    assert Labelled.read(tmp_path) == Labelled(
        [InScope(text="q", ok=[2, 1], source="s")],
        [OutOfScope(text="q", kind="far")],
        [FollowUp(turns=["a", "b"], ok=[])],
        [Traceback(text="E", ok=[1], secrets=["s"])],
    )


def test_what_is_not_there_counts_as_empty(tmp_path: Path) -> None:
    assert Labelled.read(tmp_path / "nowhere") == Labelled()


@pytest.mark.parametrize(
    ("name", "line", "place"),
    [
        ("in_scope", '{"text": "q", "ok": []}', "ok: "),
        ("in_scope", '{"text": " ", "ok": [1]}', "text: "),
        ("in_scope", '{"text": "q", "ok": ["one"]}', "ok.0: "),
        ("in_scope", '{"text": "q", "ok": [1], "kind": "near"}', "kind: Extra"),
        ("in_scope", "{", "row: Invalid JSON"),
        ("out_of_scope", '{"text": "q", "kind": "nearby"}', "kind: "),
        ("followups", '{"turns": ["only one"], "ok": [1]}', "turns: "),
        ("tracebacks", '{"text": "E"}', "ok: Field required"),
    ],
)
def test_a_bad_row_is_refused_by_file_line_and_field(
    tmp_path: Path, name: str, line: str, place: str
) -> None:
    path = tmp_path / f"{name}.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(QuestionsUnusable) as refusal:
        Labelled.read(tmp_path)
    assert str(refusal.value).startswith(f"{path}:2: {place}")
    assert str(refusal.value).endswith("; correct the line")


@pytest.mark.parametrize("folder", ["fit", "test"])
def test_our_own_questions_are_of_the_format(folder: str) -> None:
    questions = Labelled.read(PROJECT / "evaluation" / folder)
    assert len(questions.in_scope) >= 300
    assert {question.kind for question in questions.out_of_scope} == {"near", "far"}
