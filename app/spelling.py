"""Slips of the keyboard in a question, set right by the words that the corpus and the encoder know."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

# Whole words in plain letters; names with capitals inside, digits or underscores are left as they are.
WORD = re.compile(r"(?<![\w.@/\\-])[A-Za-z][a-z]{3,}(?![\w@/\\]|\.\w)")
SHORTEST = 4
# From so many words on it shows whether they are mostly unknown.
MANY = 4


class Spelling:
    """Known words with how often the corpus uses them, found by what is left when a letter is taken away."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts
        self._by_part: dict[str, list[str]] = {}
        for word, count in counts.items():
            # Only what the corpus says can be meant.
            for part in _parts(word) if count else ():
                self._by_part.setdefault(part, []).append(word)

    @classmethod
    def build(cls, documents: Iterable[str], known: Collection[str]) -> Spelling:
        """From the corpus' texts, and from words `known` otherwise, which may be right but are rarely meant."""
        counts = Counter(
            word.lower() for document in documents for word in re.findall(r"[A-Za-z]+", document)
        )
        words = dict.fromkeys((word for word in known if word.isalpha() and word.isascii()), 0)
        return cls({word: count for word, count in (words | counts).items() if len(word) >= SHORTEST})

    def corrected(self, text: str) -> str:
        """`text` with every unknown word that is one slip away from known ones replaced by the commonest."""
        words = WORD.findall(text)
        if len(words) >= MANY and sum(word.lower() not in self._counts for word in words) * 2 > len(words):
            # Not slips, but a language or a subject of which nothing is known.
            return text
        return WORD.sub(lambda match: self._meant(match[0]), text)

    def _meant(self, word: str) -> str:
        lower = word.lower()
        if lower in self._counts:
            return word
        candidates = {
            known
            for part in _parts(lower)
            for known in self._by_part.get(part, ())
            if _one_slip(lower, known)
        }
        return max(candidates, key=lambda known: (self._counts[known], known), default=word)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self._counts, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Spelling:
        return cls(json.loads(path.read_text(encoding="utf-8")))


def _parts(word: str) -> Iterator[str]:
    """The word itself, and the word without one of its letters."""
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _one_slip(word: str, known: str) -> bool:
    """True if a letter was dropped, added or mistaken, or two neighbours swapped."""
    if abs(len(word) - len(known)) == 1:
        shorter, longer = sorted((word, known), key=len)
        return shorter in set(_parts(longer))
    if len(word) != len(known):
        return False
    different = [place for place in range(len(word)) if word[place] != known[place]]
    if len(different) == 2:
        first, second = different
        return second == first + 1 and word[first] == known[second] and word[second] == known[first]
    return len(different) == 1
