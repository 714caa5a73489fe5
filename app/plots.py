"""Plots as numbers that a template draws as SVG; colours and type are the stylesheet's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

# The units of the drawing, which scales with the page.
BAR_WIDTH = 100.0
SCATTER_SIDE = 240
LARGEST_DOT = 9


@dataclass(frozen=True)
class Piece:
    """A part of a bar; `tone` is the class that colours it, `start` and `width` are in units of the drawing."""

    tone: str
    title: str
    percent: int
    start: float
    width: float


@dataclass(frozen=True)
class Bar:
    """A whole divided into its parts; parts that do not occur are left out."""

    title: str
    questions: int | None
    pieces: list[Piece]


def bar(title: str, questions: int | None, shares: list[tuple[str, str, float]]) -> Bar:
    """`shares` are tone, title and share of each part, in order."""
    starts = accumulate((share for *_, share in shares), initial=0.0)
    pieces = [
        Piece(tone, name, round(100 * share), round(BAR_WIDTH * start, 2), round(BAR_WIDTH * share, 2))
        for (tone, name, share), start in zip(shares, starts, strict=False)
        if share > 0
    ]
    return Bar(title, questions, pieces)


@dataclass(frozen=True)
class Scatter:
    """Points (x, y, weight) with x from 0 to 1 and y from 0 to `top`, upwards; a dot's area tells the weight."""

    points: list[tuple[float, float, float]]
    top: float = 1.0

    @property
    def side(self) -> int:
        return SCATTER_SIDE

    @property
    def dots(self) -> list[tuple[float, float, float]]:
        """Centre and radius of each dot, in units of the drawing, y downwards."""
        heaviest = max(weight for *_, weight in self.points)
        return [
            (
                round(SCATTER_SIDE * x, 1),
                round(SCATTER_SIDE * (1 - y / self.top), 1),
                round(LARGEST_DOT * sqrt(weight / heaviest), 1),
            )
            for x, y, weight in self.points
        ]

    @property
    def line(self) -> str:
        """The same points joined from left to right, as an SVG path."""
        return "M" + " L".join(f"{x} {y}" for x, y, _ in sorted(self.dots))
