"""The pieces of Block Kit that messages are made of, and how much of them fits.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.slack_markdown import Piece

MAX_BLOCKS = 50
MAX_BLOCK_CHARS = 3000
MAX_BUTTON_CHARS = 75
# Slack refuses whole messages somewhat above this.
MAX_MESSAGE_CHARS = 12_000

Block = dict[str, Any]


def section(mrkdwn: str) -> Block:
    # Verbatim: nothing in the text becomes a mention or a link by itself.
    text = {"type": "mrkdwn", "text": mrkdwn, "verbatim": True}
    return {"type": "section", "text": text, "expand": True}


def context(mrkdwn: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": mrkdwn, "verbatim": True}]}


def button(title: str, action: str, value: str, **more: str) -> Block:
    text = {"type": "plain_text", "text": shortened(title, MAX_BUTTON_CHARS), "emoji": False}
    return {"type": "button", "text": text, "action_id": action, "value": value, **more}


def packed(rows: Sequence[Piece]) -> Iterator[str]:
    text = ""
    for row in rows:
        longer = f"{text}{row.glue}{row.text}" if text else row.text
        if len(longer) > MAX_BLOCK_CHARS:
            yield text
            longer = row.text
        text = longer
    if text:
        yield text


def fit(sections: Sequence[Block], max_chars: int, max_blocks: int) -> int:
    """How many of the sections fit."""
    count = 0
    for block in sections[:max_blocks]:
        max_chars -= chars(block)
        if max_chars < 0:
            break
        count += 1
    return count


def chars(block: Block) -> int:
    """What the block's texts count together; a button counts by its text."""
    texts = [block, *block.get("elements", ())]
    return sum(
        len(text["text"] if isinstance(text["text"], str) else text["text"]["text"])
        for text in texts
        if "text" in text
    )


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
