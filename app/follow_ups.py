"""Does a message say enough by itself, or must it be read after the one before it?"""

from __future__ import annotations

import re

# Words that point at what was said before, and openings that go on with it.
POINTS_BACK = re.compile(
    r"\b(it|its|that|this|these|those|them|they|their|one|ones|same|there|instead|also|too|else|otherwise)\b"
    r"|^\W*(and|but|or|so|then|still|what about|how about|what if|why|how long|how many|how often|which)\b",
    re.IGNORECASE,
)
COURTESY = re.compile(
    r"^\W*(thanks?|thank you|thx|cheers|ok(ay)?|great|perfect|cool|nice|awesome|got it|hi|hello|hey|bye|lol|good"
    r"|(it|that|this) (works?|worked|helped|did it|fixed it|solved it))\b",
    re.IGNORECASE,
)
# Beyond this many words a message tells its own story.
LONGEST_FOLLOW_UP = 25


LONGEST_COURTESY = 10
GOES_ON = re.compile(
    r"\?|\b(but|however|how|what|why|when|which|where|can|could|should|error|now|except)\b", re.IGNORECASE
)


def is_courtesy(message: str) -> bool:
    """True for "thanks, that worked": kind words and nothing to answer."""
    return (
        len(message.split()) <= LONGEST_COURTESY
        and COURTESY.search(message) is not None
        and GOES_ON.search(message) is None
    )


def needs_context(message: str) -> bool:
    """True for "and how do I test that?", False for a new topic, "thanks, that worked" or a long story."""
    if len(message.split()) > LONGEST_FOLLOW_UP or (COURTESY.search(message) and "?" not in message):
        return False
    return POINTS_BACK.search(message) is not None
