"""What was pasted is told from what was written, and no character is lost."""

from __future__ import annotations

import pytest

from app.pasted import Part, parts

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/shop/views.py", line 31, in post
    order.save()

During handling of the above exception, another exception occurred:

django.db.utils.OperationalError: database is locked"""
CODE = """\
from rest_framework import viewsets

class OrderViewSet(viewsets.ModelViewSet):
    queryset = Order.objects.all()

    def get_queryset(self):
        return super().get_queryset()"""
LOG = """\
[2026-11-23 16:41:11] ERROR celery.worker: lost connection
[2026-11-23 16:41:12] ERROR celery.worker: lost connection"""


@pytest.mark.parametrize("pasted", [TRACEBACK, CODE, LOG], ids=["traceback", "code", "log"])
def test_what_is_pasted_between_prose_is_code(pasted: str) -> None:
    assert parts(f"it fails:\n\n{pasted}\n\nany idea?") == [
        Part("it fails:", is_code=False),
        Part(pasted, is_code=True),
        Part("any idea?", is_code=False),
    ]
    assert parts(pasted) == [Part(pasted, is_code=True)]


@pytest.mark.parametrize(
    "prose",
    [
        "one query per row in my list view",
        "select a plan\nupdate the docs",
        "first this\n  an indented line\nthen that",
        "ValueError: what does it mean",
        "Error handling in DRF\nhow is it done",
        "",
        "<img src=x onerror=alert(1)>",
    ],
)
def test_prose_stays_prose(prose: str) -> None:
    assert parts(prose) == [Part(prose, is_code=False)]


def test_only_what_is_long_is_to_be_folded() -> None:
    lines = ['  File "x.py", line 1, in y'] * 13
    assert [part.is_long for part in parts("\n".join(lines))] == [True]
    assert [part.is_long for part in parts("\n".join(lines[:12]))] == [False]
    assert parts("\n".join(lines))[0].lines == 13


@pytest.mark.parametrize(
    "text", ["\n\n", "a\n\n\n", "\n  x\n  y", "a\n\n  b\n\n  c\n\nd\n", "\r", "\t\t\n\t"]
)
def test_no_line_with_text_is_lost(text: str) -> None:
    def written(message: str) -> list[str]:
        return [line for line in message.split("\n") if line.strip()]

    assert [line for part in parts(text) for line in written(part.text)] == written(text)
