"""Typing errors, as people make them: letters swapped, left out, doubled, or the key beside."""

from __future__ import annotations

import re

import numpy as np

WORDS_A_TYPO = 5
KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# In a shorter word a wrong letter makes another word rather than a misspelt one.
WORD = re.compile(r"[A-Za-z]{3,}")


def with_typos(text: str, seed: int) -> str:
    """`text` with one typo in each five words that follow each other; the same for the same seed."""
    rng = np.random.default_rng(seed)
    words = list(re.finditer(r"\S+", text))
    # From the end, so that places before it stay.
    for start in reversed(range(0, len(words), WORDS_A_TYPO)):
        letters = [
            found
            for word in words[start : start + WORDS_A_TYPO]
            for found in WORD.finditer(text, word.start(), word.end())
        ]
        if letters:
            chosen = letters[rng.integers(len(letters))]
            text = text[: chosen.start()] + _misspelt(chosen[0], rng) + text[chosen.end() :]
    return text


def _misspelt(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(len(word) - 1))
    first, second = word[place], word[place + 1]
    ways = (second + first, second, first + first + second, _beside(first, rng) + second)
    # Equal letters, swapped, are no typo.
    wrong = [way for way in ways if way != first + second]
    return word[:place] + wrong[rng.integers(len(wrong))] + word[place + 2 :]


def _beside(letter: str, rng: np.random.Generator) -> str:
    row = next(row for row in KEY_ROWS if letter.lower() in row)
    place = row.index(letter.lower())
    beside = row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    return beside[rng.integers(len(beside))]
