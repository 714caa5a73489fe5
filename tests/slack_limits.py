"""Slack's limits on messages, as its documentation states them: what a payload does against them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# https://docs.slack.dev/reference/block-kit/blocks
MAX_BLOCKS = 50
MAX_SECTION_CHARS = 3000
MAX_CONTEXT_ELEMENTS = 10
MAX_CONTEXT_CHARS = 3000
MAX_ACTIONS_ELEMENTS = 25
MAX_BUTTON_CHARS = 75
MAX_VALUE_CHARS = 2000
MAX_URL_CHARS = 3000
MAX_ACTION_ID_CHARS = 255
MAX_TEXT_CHARS = 4000
# Whole messages were refused from about 13,200 characters on.
MAX_MESSAGE_CHARS = 12_000
# <!here>, <@U1>, <#C1>, <!subteam^S1>: what would notify somebody.
PING = re.compile(r"<[!@#][^>]*>")
# Left over once entities and links are out: what Slack would read as the start of one.
RAW = re.compile(r"[<>]|&(?!(?:amp|lt|gt);)")
QUOTE = re.compile(r"^> ", re.MULTILINE)
LINK = re.compile(r"<(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>|]+)?>")


def violations(payload: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse or mangle in a message, in words."""
    blocks = payload.get("blocks") or []
    found = [*_text(payload.get("text") or "", MAX_TEXT_CHARS)]
    if len(blocks) > MAX_BLOCKS:
        found.append(f"{len(blocks)} blocks")
    for block in blocks:
        found += CHECKS.get(block["type"], _unknown)(block)
    if (total := sum(map(len, texts(payload)))) > MAX_MESSAGE_CHARS:
        found.append(f"{total} characters in total")
    return found


def texts(payload: Mapping[str, Any]) -> Iterator[str]:
    """Every text of the message's blocks, those on buttons included."""
    for block in payload.get("blocks") or []:
        if block["type"] == "section":
            yield block["text"]["text"]
        for element in block.get("elements", ()):
            yield element["text"]["text"] if element["type"] == "button" else element["text"]


def buttons(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [block["elements"] for block in payload.get("blocks") or [] if block["type"] == "actions"]
    return [element for elements in rows for element in elements]


def _section(block: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(block["text"]["text"], MAX_SECTION_CHARS, least=1)
    if block["text"]["type"] != "mrkdwn" or not block["text"].get("verbatim"):
        yield "a section that Slack may find mentions in"


def _context(block: Mapping[str, Any]) -> Iterator[str]:
    if not 1 <= len(block["elements"]) <= MAX_CONTEXT_ELEMENTS:
        yield f"{len(block['elements'])} context elements"
    for element in block["elements"]:
        yield from _text(element["text"], MAX_CONTEXT_CHARS, least=1)


def _actions(block: Mapping[str, Any]) -> Iterator[str]:
    elements: Sequence[Mapping[str, Any]] = block["elements"]
    if not 1 <= len(elements) <= MAX_ACTIONS_ELEMENTS:
        yield f"{len(elements)} buttons"
    if len({element["action_id"] for element in elements}) < len(elements):
        yield "two buttons of one action_id"
    for element in elements:
        if not 1 <= len(element["text"]["text"]) <= MAX_BUTTON_CHARS:
            yield f"a button's text of {len(element['text']['text'])} characters"
        if len(element.get("value", "")) > MAX_VALUE_CHARS:
            yield f"a button's value of {len(element['value'])} characters"
        if len(element.get("url", "")) > MAX_URL_CHARS or len(element["action_id"]) > MAX_ACTION_ID_CHARS:
            yield "a button's address or action_id is too long"


def _unknown(block: Mapping[str, Any]) -> Iterator[str]:
    yield f"a block of type {block['type']}"


CHECKS = {"section": _section, "context": _context, "actions": _actions}


def _text(text: str, most: int, least: int = 0) -> Iterator[str]:
    if not least <= len(text) <= most:
        yield f"a text of {len(text)} characters"
    if text.count("```") % 2:
        yield "a fence that does not end"
    if ping := PING.search(text):
        yield f"a ping: {ping[0]}"
    if raw := RAW.search(QUOTE.sub("", LINK.sub("", text))):
        yield f"not escaped: {text[max(0, raw.start() - 20) : raw.end() + 20]!r}"
