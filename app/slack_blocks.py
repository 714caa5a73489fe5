"""An Answer as a message of Block Kit, within Slack's limits, and what its buttons carry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from app.assistant import NO_ANSWER, SUGGESTIONS, Answer, Verdict
from app.errors import SlackButtonUnknown
from app.journal import ANSWER_ID
from app.published import PublishedScenario
from app.slack_kit import (
    MAX_BLOCK_CHARS,
    MAX_BLOCKS,
    MAX_MESSAGE_CHARS,
    Block,
    button,
    chars,
    context,
    fit,
    one_line,
    packed,
    section,
    shortened,
)
from app.slack_markdown import Piece, pieces
from app.slack_mrkdwn import link, plain
from app.wording import confidence_in_words

# What a message may get besides: its buttons, thanks, the question when it is shared.
RESERVED_CHARS, RESERVED_BLOCKS = 1_000, 6
# With the rest it stays below the 2,000 characters of a button's value.
MAX_KEPT_QUESTION_CHARS = 500
MAX_NAME_CHARS = 80
MAX_TITLE_CHARS = 150
MAX_NOTIFICATION_CHARS = 300
MAX_RELATED = 5
# What Markdown needs and a notification shows as signs.
MARKUP = re.compile(r"[`*\[]|\](?:\([^)]*\))?")


@dataclass(frozen=True)
class Message:
    """`text` is what notifications show."""

    text: str
    blocks: list[Block]


@dataclass(frozen=True)
class Reply:
    """What a message shows of an answer. Its buttons carry it, so that it can be shown anew without a memory.

    `scenario_ids` are best first, the one in full at the head; `question` is there if only the asker sees it.
    """

    answer_id: str
    verdict: Verdict
    scenario_ids: tuple[int, ...] = ()
    confidence: float = 0.0
    is_chosen: bool = False
    question: str = ""
    thanks: str = field(default="", compare=False)

    @classmethod
    def from_answer(cls, answer: Answer, *, is_private: bool = False) -> Self:
        return cls(
            answer.answer_id,
            answer.verdict,
            tuple(result.scenario.id for result in answer.results),
            round(answer.confidence, 2),
            question=one_line(answer.question)[:MAX_KEPT_QUESTION_CHARS] if is_private else "",
        )

    @classmethod
    def from_button(cls, value: str, known: Mapping[int, PublishedScenario]) -> Self:
        """The reply that a button belongs to; SlackButtonUnknown if it is of another version of this program."""
        try:
            row = json.loads(value)
            reply = cls(
                row["a"],
                Verdict(row["v"]),
                tuple(number for number in map(int, row["s"]) if number in known),
                float(row["c"]),
                bool(row["x"]),
                str(row["q"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SlackButtonUnknown("what the button carries is not readable; ask again") from None
        if not ANSWER_ID.fullmatch(reply.answer_id) or (reply.has_answer and not reply.scenario_ids):
            raise SlackButtonUnknown("what the button shows is no longer there; ask again")
        return reply

    @property
    def has_answer(self) -> bool:
        return self.verdict is Verdict.ANSWER

    @property
    def others(self) -> tuple[int, ...]:
        return self.scenario_ids[1:] if self.has_answer else self.scenario_ids

    def value(self, **more: Any) -> str:
        row = {
            "a": self.answer_id,
            "v": self.verdict.value,
            "s": self.scenario_ids,
            "c": self.confidence,
            "x": self.is_chosen,
            "q": self.question,
        }
        return json.dumps(row | more, ensure_ascii=False, separators=(",", ":"))

    def with_choice(self, scenario_id: int) -> Self:
        """The same with the scenario that the person chose at the head."""
        others = tuple(number for number in self.scenario_ids if number != scenario_id)
        return replace(
            self, verdict=Verdict.ANSWER, scenario_ids=(scenario_id, *others), is_chosen=True, thanks=""
        )


class MessageWriter:
    """Writes replies over the scenarios of one index; links begin with `address`, and without it there are none."""

    def __init__(self, scenarios: Mapping[int, PublishedScenario], address: str) -> None:
        self._scenarios = scenarios
        self._address = address
        self._written: dict[int, list[Block]] = {}

    def message(self, reply: Reply) -> Message:
        if reply.has_answer:
            return self._answer(reply)
        if reply.verdict is Verdict.SUGGESTIONS:
            blocks = [section(plain(SUGGESTIONS)), *self._choices(reply)]
            return Message(plain(SUGGESTIONS), [*blocks, *self._closing(reply)])
        return Message(plain(NO_ANSWER), [section(plain(NO_ANSWER)), *self._closing(reply)])

    def shared(self, reply: Reply, name: str) -> Message:
        """The answer for everybody, with the question and the name of the one who shares it."""
        message = self.message(replace(reply, question="", thanks=""))
        shared = plain(f"{name[:MAX_NAME_CHARS] or 'Somebody'} shares an answer to: {reply.question}")
        return Message(message.text, [context(shared), *message.blocks])

    def rest(self, reply: Reply) -> list[Message]:
        """The parts of the answer that the message has no room for; for services without an address."""
        scenario = self._scenarios[reply.scenario_ids[0]]
        waiting = self._sections(scenario)[self._fitting(reply, scenario) :]
        messages = []
        while waiting:
            fitting = fit(waiting, MAX_MESSAGE_CHARS, MAX_BLOCKS)
            messages.append(Message(plain(shortened(scenario.title, MAX_TITLE_CHARS)), waiting[:fitting]))
            waiting = waiting[fitting:]
        return messages

    def _answer(self, reply: Reply) -> Message:
        scenario = self._scenarios[reply.scenario_ids[0]]
        sections = self._sections(scenario)
        fitting = self._fitting(reply, scenario)
        blocks = [self._heading(scenario, reply), *sections[:fitting]]
        is_cut = fitting < len(sections)
        if is_cut:
            blocks.append(context("There is more: see “Full answer”."))
        blocks += self._closing(reply, self._full_answer(reply, scenario, is_cut))
        blocks += self._further(reply, scenario)
        short = one_line(MARKUP.sub("", scenario.short_answer.markdown))[:MAX_NOTIFICATION_CHARS]
        return Message(plain(f"{shortened(scenario.title, MAX_TITLE_CHARS)}: {short}"), blocks)

    def _further(self, reply: Reply, scenario: PublishedScenario) -> Iterator[Block]:
        """Alternatives and what is related."""
        if reply.others:
            yield section("*Not this?*")
            yield from self._choices(reply)
        if related := " · ".join(
            self._link(self._scenarios[number]) for number in scenario.related[:MAX_RELATED]
        ):
            yield context(f"Related: {related}")

    def _fitting(self, reply: Reply, scenario: PublishedScenario) -> int:
        """How many of the answer's sections the message has room for."""
        others = [self._heading(scenario, reply), *self._further(reply, scenario)]
        return fit(
            self._sections(scenario),
            MAX_MESSAGE_CHARS - RESERVED_CHARS - sum(map(chars, others)),
            MAX_BLOCKS - RESERVED_BLOCKS - len(others),
        )

    def _heading(self, scenario: PublishedScenario, reply: Reply) -> Block:
        assurance = "Chosen among several" if reply.is_chosen else confidence_in_words(reply.confidence)
        return section(f"*{self._link(scenario)}*\n{plain(f'{scenario.category.title} · {assurance}')}")

    def _sections(self, scenario: PublishedScenario) -> list[Block]:
        """The whole answer, the short one first, in as few sections as hold it; written once."""
        if scenario.id not in self._written:
            rows = pieces(scenario.short_answer.markdown, MAX_BLOCK_CHARS, self._address)
            for part in scenario.body:
                rows.append(Piece(f"*{plain(part.title)}*"))
                rows += pieces(part.markdown, MAX_BLOCK_CHARS, self._address)
            self._written[scenario.id] = [section(text) for text in packed(rows)]
        return self._written[scenario.id]

    def _full_answer(self, reply: Reply, scenario: PublishedScenario, is_cut: bool) -> list[Block]:
        if self._address:
            return [button("Full answer", "full_answer", reply.value(), url=self._address + scenario.path)]
        return [button("Full answer", "rest", reply.value())] if is_cut else []

    def _closing(self, reply: Reply, buttons: Sequence[Block] = ()) -> Iterator[Block]:
        """The buttons, or thanks for what was pressed."""
        shown = [*buttons]
        if not reply.thanks and reply.has_answer:
            shown.append(button("Helpful", "helpful", reply.value()))
            shown.append(button("Not helpful", "not_helpful", reply.value()))
        elif not reply.thanks:
            shown.append(button("Tell the maintainers", "missing", reply.value()))
        if reply.question and reply.has_answer:
            shown.append(button("Share in the channel", "share", reply.value()))
        if shown:
            yield {"type": "actions", "elements": shown}
        if reply.thanks:
            yield context(plain(reply.thanks))

    def _choices(self, reply: Reply) -> Iterator[Block]:
        elements = [
            button(self._scenarios[number].title, f"choose:{number}", reply.value(n=number))
            for number in reply.others
        ]
        if elements:
            yield {"type": "actions", "elements": elements}

    def _link(self, scenario: PublishedScenario) -> str:
        address = self._address + scenario.path if self._address else ""
        return link(shortened(scenario.title, MAX_TITLE_CHARS), address)
