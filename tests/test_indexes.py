"""The vector index and the lexical index, alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.lexical_index import LexicalIndex, tokens
from app.vector_index import VectorIndex
from tests.tiny_encoder import TinyEncoder

TEXTS = ["select_related joins tables", "prefetch_related runs a second query", "bread needs an oven"]


def test_vectors_are_found_by_cosine_best_first() -> None:
    embeddings = TinyEncoder().encode(TEXTS)
    index = VectorIndex.build(embeddings)
    query = TinyEncoder().encode(["an oven for bread"])[0]
    scores, rows = index.search(query, 3)
    cosines = embeddings @ query
    assert rows.tolist() == np.argsort(-cosines).tolist()
    assert rows[0] == 2
    np.testing.assert_allclose(scores, np.sort(cosines)[::-1], rtol=1e-3)


def test_a_search_returns_no_more_than_there_is() -> None:
    embeddings = TinyEncoder().encode(TEXTS)
    scores, rows = VectorIndex.build(embeddings).search(embeddings[1], 100)
    assert len(rows) == 3
    assert rows[0] == 1
    assert scores[0] == pytest.approx(1, rel=1e-3)


def test_a_vector_index_survives_saving(tmp_path: Path) -> None:
    index = VectorIndex.build(TinyEncoder().encode(TEXTS))
    index.save(tmp_path / "vectors")
    loaded = VectorIndex.load(tmp_path / "vectors")
    assert (len(loaded), loaded.dimension) == (3, TinyEncoder.dimension)
    query = TinyEncoder().encode(["a second query"])[0]
    np.testing.assert_array_equal(loaded.search(query, 3), index.search(query, 3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select_related", ["select_related", "select", "related"]),
        ("ROTATE_REFRESH_TOKENS", ["rotate_refresh_token", "rotate", "refresh", "token"]),
        ("ModelSerializer", ["modelserializer", "model", "serializer"]),
        ("DoesNotExist: the queries", ["doesnotexist", "exist", "querie"]),
        ("class 406!", ["class", "406"]),
    ],
)
def test_an_identifier_counts_whole_and_in_parts(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_bm25_prefers_the_document_with_the_rare_word(tmp_path: Path) -> None:
    index = LexicalIndex.build(TEXTS)
    scores = index.scores("what does prefetch_related do")
    assert int(np.argmax(scores)) == 1
    assert scores[2] == 0
    index.save(tmp_path / "lexical")
    np.testing.assert_array_equal(
        LexicalIndex.load(tmp_path / "lexical").scores("prefetch_related"), index.scores("prefetch_related")
    )


@pytest.mark.parametrize("query", ["", "zzz qqq", "the of and", "\x00\ufffd 日本語"])
def test_words_that_no_document_has_score_nothing(query: str) -> None:
    assert LexicalIndex.build(TEXTS).scores(query).tolist() == [0, 0, 0]
