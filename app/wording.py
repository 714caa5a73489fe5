"""Confidence in words, as people read it."""

from __future__ import annotations

# From this confidence on, highest first: the probability that the scenario is the right one.
LEVELS = ((0.9, "Very likely right"), (0.7, "Likely right"), (0.4, "Perhaps right"))
LOWEST = "A guess"


def confidence_in_words(confidence: float) -> str:
    """How sure the assistant is, for people: "Likely right" rather than 0.78."""
    return next((words for least, words in LEVELS if confidence >= least), LOWEST)
