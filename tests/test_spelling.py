from __future__ import annotations

from pathlib import Path

import pytest

from app.spelling import Spelling

DOCUMENTS = [
    "The serializer runs a query for every row; prefetch related rows, index the column.",
    "row rows query",
]
KNOWN = ["server", "##ing", "prefect", "queryé"]


@pytest.fixture
def spelling() -> Spelling:
    return Spelling.build(DOCUMENTS, KNOWN)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("serialzer", "serializer"),  # dropped
        ("serializzer", "serializer"),  # doubled
        ("serislizer", "serializer"),  # the neighbour's key
        ("qurey", "query"),  # swapped
        ("Prefetchh the colum", "prefetch the column"),
    ],
)
def test_one_slip_of_the_keyboard_is_set_right(spelling: Spelling, typed: str, meant: str) -> None:
    assert spelling.corrected(typed) == meant


@pytest.mark.parametrize(
    "text",
    [
        "server",  # known to the encoder, though one slip from nothing here
        "prefect",  # a word of its own, one slip from `prefetch`
        "xylophone",  # like nothing that is known
        "quer1y",
        "Serialzer.is_valid",
        "app.serialzer",
        "serialzer_class",
        "SerialZer",
        "/srv/serialzer/x",
        "rwo",  # too short to be told from other words
        "",
    ],
)
def test_names_and_words_that_are_known_or_like_nothing_stay(spelling: Spelling, text: str) -> None:
    assert spelling.corrected(text) == text


def test_a_message_of_mostly_unknown_words_stays_and_one_with_a_slip_in_five_does_not(
    spelling: Spelling,
) -> None:
    unknown = "serialzer zwiebel backen mit qurey"
    assert spelling.corrected(unknown) == unknown
    assert (
        spelling.corrected("the serialzer runs query every related")
        == "the serializer runs query every related"
    )


def test_of_two_words_that_may_be_meant_the_commoner_counts() -> None:
    assert Spelling.build(["cache cache cable"], []).corrected("cabhe") == "cache"
    assert Spelling.build(["caches caches cables"], []).corrected("cahes") == "caches"
    assert Spelling.build(["state state slate"], []).corrected("sate slte") == "state slate"


def test_it_is_the_same_after_it_was_saved(spelling: Spelling, tmp_path: Path) -> None:
    spelling.save(tmp_path / "spelling.json")
    assert Spelling.load(tmp_path / "spelling.json").corrected("qurey serialzer") == "query serializer"
