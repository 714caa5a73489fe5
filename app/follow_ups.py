"""Does a message say enough by itself, or must it be read with what was said before?"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words that point at what was said before, and openings that go on with it.
POINTS_BACK = re.compile(
    r"\b(it|its|that|this|these|those|them|they|their|one|ones|same|there|instead|also|too|else|otherwise)\b"
    r"|^\W*(and|but|or|so|then|still|what about|how about|what if|why|how long|how many|how often|which)\b",
    re.IGNORECASE,
)
# Of these, words that stand for what was talked about: the message is incomplete without it.
STANDS_FOR = re.compile(r"\b(it|its|this|these|those|them|they|their|same|ones?)\b", re.IGNORECASE)
COURTESY = re.compile(
    r"^\W*((h?m+|ah+|oh|and|so|well|alright|ok(ay)?|yes|yeah|no)\b\W*)*"
    r"(thanks?|thank you|thx|cheers|ok(ay)?|alright|great|perfect|cool|nice|awesome|got it|understood|makes sense|hi"
    r"|hello|hey|bye|lol|good|never ?mind|no more questions|that is all|that's all|will try|i'?ll (try|do|have)"
    r"|(i )?found it|(it|that|this) (works?|worked|helped|did it|fixed it|solved it|makes sense)|h?m+)\b",
    re.IGNORECASE,
)
# A courtesy holds nothing of the following.
ASKS = re.compile(
    r"\?|\b(but|however|why|error|now\b(?!\W*$)|except|still|not work\w*)\b"
    r"|\b(how|what|when|which|where|can|could|should) (about|if|is|are|do|does|did|to|i|we|you|it|the|my|should|can)\b",
    re.IGNORECASE,
)
LONGEST_COURTESY = 10
# Beyond these many words a message may, or does, tell its own story.
LONGEST_SHORT, LONGEST_FOLLOW_UP = 14, 25
# Earlier messages with fewer words, such as "ok installed", are not what a conversation is about.
SHORTEST_TOPIC = 4
MOST_TOPICS = 3


def is_courtesy(message: str) -> bool:
    """True for "thanks, that worked": kind words and nothing to answer."""
    return (
        len(message.split()) <= LONGEST_COURTESY
        and COURTESY.search(message) is not None
        and ASKS.search(message) is None
    )


def needs_context(message: str) -> bool:
    """True for "and how do I test that?", False for a new topic, "thanks, that worked" or a long story."""
    return not is_long(message) and not is_courtesy(message) and POINTS_BACK.search(message) is not None


def is_long(message: str) -> bool:
    """True if the message is too long to be read as going on with another."""
    return len(message.split()) > LONGEST_FOLLOW_UP


def is_incomplete(message: str) -> bool:
    """True for a short message with a word that stands for something said before."""
    return len(message.split()) <= LONGEST_SHORT and STANDS_FOR.search(message) is not None


def contexts(history: Sequence[str]) -> list[str]:
    """What a message may go on with: the last message that has a topic, and the last few of them together."""
    topics = [text for text in history if len(text.split()) >= SHORTEST_TOPIC and not is_courtesy(text)] or [
        text for text in history if text.strip()
    ]
    if not topics:
        return []
    return list(dict.fromkeys([topics[-1], "\n".join(topics[-MOST_TOPICS:])]))
