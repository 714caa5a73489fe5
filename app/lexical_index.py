"""Exact words by BM25: names that an embedding blurs (`select_related`, `ROTATE_REFRESH_TOKENS`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[A-Za-z0-9_]+")
CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
STOP_WORDS = frozenset(
    (
        "a an and are as at be but by can do does for from get has have how i if in into is it its me my no not of "
        "on or our so than that the their them then there they this to up us was we what when which who why will "
        "with without you your"
    ).split()
)


def tokens(text: str) -> list[str]:
    """Lower-case words; an identifier counts as itself and as its parts, a plural as its singular."""
    found: list[str] = []
    for word in WORD.findall(text):
        whole = word.lower()
        parts = [part.lower() for part in CAMEL.findall(word)]
        found += [_stem(token) for token in dict.fromkeys([whole, *parts]) if token not in STOP_WORDS]
    return found


def _stem(token: str) -> str:
    return token[:-1] if len(token) > 3 and token.endswith("s") and not token.endswith("ss") else token


class LexicalIndex:
    """BM25 over one document a scenario."""

    def __init__(self, bm25: bm25s.BM25) -> None:
        self._bm25 = bm25

    @classmethod
    def build(cls, documents: Sequence[str]) -> LexicalIndex:
        bm25 = bm25s.BM25(method="lucene")
        bm25.index([tokens(document) for document in documents], show_progress=False)
        return cls(bm25)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        return cls(bm25s.BM25.load(str(folder)))

    def save(self, folder: Path) -> None:
        self._bm25.save(str(folder), show_progress=False)

    def scores(self, query: str) -> NDArray[np.float32]:
        """One BM25 score a document, 0 and up; shape (documents,)."""
        known = [token for token in tokens(query) if token in self._bm25.vocab_dict]
        if not known:
            return np.zeros(self._bm25.scores["num_docs"], dtype=np.float32)
        scores: NDArray[np.float32] = self._bm25.get_scores(known)
        return scores
