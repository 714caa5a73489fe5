"""Markdown to HTML that a strict policy accepts, whatever the Markdown holds."""

from __future__ import annotations

import pytest

from app.rendering import to_html
from tests.html_page import HtmlPage


def test_code_becomes_a_highlighted_figure_with_its_title() -> None:
    page = HtmlPage(to_html('```python title="shop/<models>.py"\nimport os\nif 1 < 2: pass\n```'))
    assert page.one("figcaption").text == "shop/<models>.py"
    assert page.one("code").text == "import os\nif 1 < 2: pass\n"
    assert page.one("span", "kn").text == "import"
    assert page.one("figure").attributes["data-language"] == "python"


@pytest.mark.parametrize("info", ["", "nosuchlanguage", 'python "odd', "<b> x=1", 'a"onclick=alert(1)'])
def test_any_fence_shows_its_code(info: str) -> None:
    page = HtmlPage(to_html(f"```{info}\nx < 1\n```"))
    assert page.one("code").text == "x < 1\n"
    assert set(page.one("figure").attributes) == {"class", "data-language"}


def test_columns_are_aligned_without_styles() -> None:
    page = HtmlPage(to_html("|a|b|c|\n|-|:-:|-:|\n|1|2|3|"))
    assert [cell.attributes for cell in page.all("td")] == [
        {},
        {"class": "align-center"},
        {"class": "align-right"},
    ]


def test_the_steps_of_an_answer_are_numbered_and_no_other_list() -> None:
    page = HtmlPage(
        to_html("3. **Look.** Once.\n\n   1. inner\n   - point\n\n4. **Go on.**\n\nText\n\n- point")
    )
    assert [item.attributes for item in page.all("li")] == [
        {"data-step": "3"},
        {},
        {},
        {"data-step": "4"},
        {},
    ]


@pytest.mark.parametrize(
    "markdown",
    ["<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "[x](javascript:alert(1))",
     "[x](data:text/html,hi)", "![x](javascript:alert(1))", "<javascript:alert(1)>", '[x](<" onclick="alert(1)>)'],
)  # fmt: skip
def test_markup_and_scripts_stay_text(markdown: str) -> None:
    page = HtmlPage(to_html(markdown))
    assert {element.tag for element in page.elements} <= {"p", "a"}
    assert all(set(link.attributes) == {"href"} for link in page.all("a"))
    assert all("alert" not in link.split("%22")[0] for link in page.links())
