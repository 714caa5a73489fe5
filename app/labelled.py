"""Labelled questions: JSON lines in a folder, the format of evaluation/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import QuestionsUnusable

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = None


class InScope(Row):
    """A question and the ids of the scenarios of which any is right, best first."""

    text: Text
    ok: list[int] = Field(min_length=1)


class OutOfScope(Row):
    """A question that no scenario answers: `near` the corpus' subject, or `far` from it."""

    text: Text
    kind: Literal["near", "far"]


class FollowUp(Row):
    """A conversation; `ok` are the ids for its last message, none if no scenario answers that."""

    turns: list[Text] = Field(min_length=2)
    ok: list[int]
    kind: str = "all"


class Traceback(InScope):
    """A pasted error; `secrets` are strings in it that nothing may repeat."""

    secrets: list[Text] = []


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class Labelled:
    """The questions of one folder; a file that is not there counts as empty."""

    in_scope: list[InScope] = field(default_factory=list)
    out_of_scope: list[OutOfScope] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    tracebacks: list[Traceback] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Labelled:
        """QuestionsUnusable names file and line of the first row that is not of the format."""
        return cls(
            list(_rows(folder / "in_scope.jsonl", InScope)),
            list(_rows(folder / "out_of_scope.jsonl", OutOfScope)),
            list(_rows(folder / "followups.jsonl", FollowUp)),
            list(_rows(folder / "tracebacks.jsonl", Traceback)),
        )


def _rows(path: Path, kind: type[AnyRow]) -> Iterator[AnyRow]:
    if not path.exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "row"
            raise QuestionsUnusable(f"{path}:{number}: {place}: {first['msg']}; correct the line") from None
