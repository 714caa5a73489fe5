"""Answers as messages: within every limit, with nothing lost or mangled on the way from Markdown."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.assistant import Assistant, Verdict
from app.published import PublishedScenario, Section
from app.slack_blocks import MessageWriter, Reply
from app.slack_kit import MAX_BLOCK_CHARS
from app.slack_markdown import pieces
from app.slack_mrkdwn import plain
from tests.slack_limits import PING, buttons, texts, violations

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # what fails is long
PUBLIC = "https://answers.example"
ANSWER_ID = "0" * 32
LINK = re.compile(r"<[^<>|]*\|([^<>]*)>")


def letters(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isalpha())


def shown(mrkdwn: str) -> str:
    """The letters that Slack shows."""
    return letters(unescape(LINK.sub(r"\1", mrkdwn)))


def written(markdown: str) -> str:
    """The letters that Markdown has, without addresses and the words that open code."""
    tokens = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).parse(markdown)
    leaves = [leaf for token in tokens for leaf in (token.children or [token])]
    return letters("".join(leaf.content for leaf in leaves if leaf.type != "inline"))


def message(payload: Any) -> dict[str, Any]:
    return {"text": payload.text, "blocks": payload.blocks}


def reply(*numbers: int, **more: Any) -> Reply:
    return Reply(ANSWER_ID, Verdict.ANSWER, numbers, 0.9, **more)


# --- every answer there is


def test_every_answer_fits_one_message_without_a_loss(assistant: Assistant) -> None:
    writer = MessageWriter(assistant.scenarios, PUBLIC)
    for number, scenario in assistant.scenarios.items():
        sent = message(writer.message(reply(number, *scenario.related[:2])))
        assert violations(sent) == [], scenario.path
        told = "".join(map(shown, texts(sent)))
        for section in [scenario.short_answer, *scenario.body]:
            sections = "".join(
                shown(piece.text) for piece in pieces(section.markdown, MAX_BLOCK_CHARS, PUBLIC)
            )
            without_titles = re.sub(r' title="[^"]*"', "", section.markdown)
            again = "".join(shown(piece.text) for piece in pieces(without_titles, MAX_BLOCK_CHARS, PUBLIC))
            if "|--" not in section.markdown:  # links in tables show their address
                assert again == written(without_titles), scenario.path
            assert sections in told, scenario.path


# --- and those that nobody has written

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
SIGNS = st.sampled_from(
    ["*", "_", "~", "`", "**", "__", "~~", "&", "<", ">", "|", "<@U0OTHER>", "<!channel>", "@here", ":smile:", "&amp;",
     "\\*", "*args", "**kwargs", "__init__", "a_b_c", "``x`` y", "[x](", "](/", "https://example.org/a?b=c&d", "1.", "#", "é", "🚀"]
)  # fmt: skip
WORD = st.one_of(LETTERS, LETTERS, SIGNS)
TEXT = st.lists(WORD, min_size=1, max_size=40).map(" ".join)
EMPHASISED = st.builds(
    lambda mark, text: f"{mark}{text}{mark}", st.sampled_from(["*", "**", "~~", "***", "`"]), LETTERS
)
LINKED = st.builds(
    lambda text, path: f"[{text}](https://example.org/{path})", LETTERS, st.text("abc/&|_*~", max_size=2500)
)
INLINE = st.lists(st.one_of(TEXT, EMPHASISED, LINKED), min_size=1, max_size=6).map(" ".join)
CODE = st.builds(
    lambda lines, fence: f"{fence}python\n" + "\n".join(lines) + f"\n{fence}",
    st.lists(st.one_of(TEXT, st.just("```"), LETTERS.map(lambda text: text * 300)), min_size=1, max_size=30),
    st.just("`````"),
)
LONG_CODE = st.integers(3000, 10_000).map(lambda size: "```text\n" + "word <&> " * (size // 9) + "\n```")
LONG_WORD = st.integers(2900, 9000).map(lambda size: "x" * size)
LONG_TEXT = st.builds(lambda text, times: f"**{text}** {text} " * times, INLINE, st.integers(1, 60))
TABLE = st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=200).map(
    lambda rows: "\n".join(["| a | b |", "|---|---|", *(f"| {one} | {other} |" for one, other in rows)])
)
BLOCK = st.recursive(
    st.one_of(INLINE, CODE, LONG_CODE, LONG_WORD, LONG_TEXT, TABLE, INLINE.map("## {}".format)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(
            lambda rows: "\n\n".join(indented("- ", row) for row in rows)
        ),
        st.lists(inner, min_size=1, max_size=4).map(
            lambda rows: "\n".join(indented("1. ", row) for row in rows)
        ),
        inner.map(lambda text: "\n".join(f"> {line}" for line in text.split("\n"))),
    ),
    max_leaves=5,
)
MARKDOWN = st.lists(BLOCK, min_size=1, max_size=5).map("\n\n".join)
THOROUGH = settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def indented(marker: str, text: str) -> str:
    return marker + text.replace("\n", "\n" + " " * len(marker))


@THOROUGH
@given(MARKDOWN)
def test_no_markdown_loses_a_letter_or_a_limit(markdown: str) -> None:
    rows = pieces(markdown, MAX_BLOCK_CHARS, PUBLIC)
    sections = [
        {"type": "section", "text": {"type": "mrkdwn", "text": row.text, "verbatim": True}} for row in rows
    ]
    assert [words for section in sections for words in violations({"blocks": [section]})] == []
    if "|" not in markdown:  # links in tables show their address
        assert "".join(shown(row.text) for row in rows) == written(markdown)


@THOROUGH
@given(st.lists(MARKDOWN, min_size=3, max_size=3), st.text(max_size=300), st.booleans())
def test_a_message_is_valid_whatever_the_scenario_holds(
    texts_of_parts: list[str], title: str, public: bool
) -> None:
    scenario = made_up(title or "-", *texts_of_parts)
    writer = MessageWriter({1: scenario, 2: scenario}, PUBLIC if public else "")
    asked = reply(1, 2, question=title)
    for sent in [
        writer.message(asked),
        writer.message(replace(asked, thanks="Thanks")),
        writer.shared(asked, title),
    ]:
        assert violations(message(sent)) == []
    for sent in writer.rest(asked):
        assert violations(message(sent)) == []


@THOROUGH
@given(st.lists(MARKDOWN, min_size=3, max_size=3))
def test_what_a_message_has_no_room_for_follows_in_others_if_there_is_no_page(
    texts_of_parts: list[str],
) -> None:
    scenario = made_up("title", *texts_of_parts)
    writer = MessageWriter({1: scenario, 2: scenario}, "")
    first = writer.message(reply(1))
    rest = writer.rest(reply(1))
    assert bool(rest) == ("rest" in [row["action_id"] for row in buttons(message(first))])
    told = "".join(
        map(shown, [*texts(message(first)), *(text for sent in rest for text in texts(message(sent)))])
    )
    for markdown in texts_of_parts:
        for piece in pieces(markdown, MAX_BLOCK_CHARS):
            assert shown(piece.text) in told


@THOROUGH
@given(st.text())
def test_text_is_shown_as_it_is_and_pings_nobody(text: str) -> None:
    written = plain(text)
    assert not PING.search(written)
    assert shown(written) == letters(text)


def made_up(title: str, short_answer: str, *parts: str) -> PublishedScenario:
    def section(name: str, markdown: str) -> Section:
        return Section(name=name, title=name, markdown=markdown, html="")

    return PublishedScenario.model_construct(
        id=1, slug="made-up", title=title, category=Category, related=[2] * 5,
        problem=section("problem", ""), short_answer=section("short_answer", short_answer),
        body=[section(f"part {number}", text) for number, text in enumerate(parts)],
    )  # fmt: skip


class Category:
    title = "Made up"


# --- single things


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**bold** and *slanted* and ~~gone~~", "*bold* and _slanted_ and ~gone~"),
        ("***both***", "_*both*_"),
        ("**b**old", "*b*\u200bold"),
        ("`a_b`s", "`a_b`\u200bs"),
        ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
        ("[text](https://e.org/a?b=c&d)", "<https://e.org/a?b=c&amp;d|text>"),
        ("[text](/scenarios/3)", f"<{PUBLIC}/scenarios/3|text>"),
        ("**[text](/scenarios/3)**", f"*<{PUBLIC}/scenarios/3|text>*"),
        ("[text](javascript:alert)", "[text](javascript:alert)"),
        ("<@U1> <!here>", "&lt;@U1&gt; &lt;!here&gt;"),
        ("5 \\* 3 and snake_case", "5 * 3 and snake_case"),
        ("\\*not bold\\*", "∗not bold∗"),
        ("# Head", "*Head*"),
        ("- one\n- two\n  - three", "• one\n• two\n    ◦ three"),
        ("3. one\n4. two", "3. one\n4. two"),
        ("> quoted\n> more", "> quoted more"),
        ("\\> not quoted", "\u200b&gt; not quoted"),
        ("```python\na < b\n```", "```\na &lt; b\n```"),
        ('```python title="a.py"\nx\n```', "`a.py`\n```\nx\n```"),
        ("| a | b |\n|---|---|\n| c | long |", "```\na  b\n-  ----\nc  long\n```"),
        ("one\ntwo", "one two"),
        ("one  \ntwo", "one\ntwo"),
        ("**one  \ntwo**", "*one*\n*two*"),
        ("[a \\| b](https://e.org/)", "<https://e.org/|a ¦ b>"),
        ("[`code` and text](https://e.org/)", "<https://e.org/|code and text>"),
        ("at :smile:", "at :\u200bsmile:"),
    ],
)
def test_markdown_becomes_slacks_own_form(markdown: str, mrkdwn: str) -> None:
    rows = pieces(markdown, MAX_BLOCK_CHARS, PUBLIC)
    assert "".join(f"{row.glue}{row.text}" for row in rows).strip("\n") == mrkdwn


def test_code_is_cut_between_lines_and_only_if_it_fits_no_block() -> None:
    fits = "```text\n" + "x" * 2900 + "\n```"
    assert len(pieces(fits, MAX_BLOCK_CHARS)) == 1
    lines = [f"line {number}" for number in range(900)]
    parts = pieces("```text\n" + "\n".join(lines) + "\n```", MAX_BLOCK_CHARS)
    assert len(parts) > 1
    assert [line for part in parts for line in part.text.strip("`\n").split("\n")] == lines


def test_a_long_title_is_shortened_on_a_button() -> None:
    scenario = made_up("t" * 200, "short")
    writer = MessageWriter({1: scenario, 2: scenario}, PUBLIC)
    choice = next(
        row for row in buttons(message(writer.message(reply(1, 2)))) if row["action_id"] == "choose:2"
    )
    assert choice["text"]["text"] == "t" * 74 + "…"
