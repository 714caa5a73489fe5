"""The scenario format: every way to break it is reported with line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.corpus import load_categories, load_corpus, read_corpus
from app.errors import ContentError
from app.scenarios import Finding
from tests.corpora import FILLER, scenario_path, scenario_text


def findings_for(folder: Path, number: int = 1, **changes: str) -> list[Finding]:
    scenario_path(folder, number).write_text(scenario_text(number, **changes), encoding="utf-8")
    return read_corpus(folder)[1]


def test_a_correct_corpus_loads_in_the_order_of_its_categories(corpus_folder: Path) -> None:
    corpus = load_corpus(corpus_folder)
    assert list(corpus.scenarios) == [1, 2, 11]
    scenario = corpus.scenarios[1]
    assert (scenario.slug, scenario.category.title, scenario.reviewed) == ("sourdough", "Kitchen", "2026-11")
    assert scenario.steps == ["Begin with dough", "Too much baking"]
    assert [(block.language, block.title, block.code) for block in scenario.code_blocks] == [
        ("python", "house/sourdough.py", "ready = True\n")
    ]


@pytest.mark.parametrize(
    ("changes", "reported_line", "message"),
    [
        ({"tags": "tags: [one, two]"}, "tags:", "'tags': List should have at least 3 items"),
        (
            {"tags": "tags: [one, two, three]\nmood: good"},
            "mood:",
            "unknown key 'mood'; known keys: id, title",
        ),
        ({"reviewed": ""}, "---", "'reviewed' is missing; add it"),
        ({"reviewed": "reviewed: 2026-13"}, "reviewed:", "'reviewed': String should match pattern"),
        ({"category": "category: cellar"}, "category:", "unknown category 'cellar'; one of: kitchen, garden"),
        (
            {"category": "category: garden"},
            "category:",
            "category 'garden' in folder 'kitchen'; move the file",
        ),
        ({"id": "id: 7"}, "id: 7", "id 7 in a file named 001-sourdough.md; make them agree"),
        ({"title": "title: [unclosed"}, "category:", "front matter is not YAML"),
        (
            {"sources": "sources:\n  - {title: Manual, url: not-a-url}"},
            "  - {title: Manual",
            "'sources.0.url': Input should be a valid URL",
        ),
        ({"asked_as": "asked_as: [one, two]"}, "asked_as:", "'asked_as': List should have at least 12 items"),
        ({"related": "related: [2, 99]"}, "related:", "related names 99, which no scenario has; correct it"),
        ({"related": "related: [1, 2]"}, "related:", "related names the scenario itself (1)"),
        (
            {"Check it": "As in [another](/scenarios/99)."},
            "As in",
            "a link names 99, which no scenario has; correct it",
        ),
        ({"Check it": ""}, "## Check it", "section 'Check it' is empty; write it"),
        ({"Problem": "Words.\n\n## More"}, "## More", "write exactly ['Problem', 'Short answer'"),
        ({"Short answer": "word " * 71}, "## Short answer", "short answer of 71 words; at most 70"),
        ({"Answer": "1. **Short.** Too short."}, "", "words of prose; write 250 to 600"),
        (
            {"Answer": FILLER + "\n\n```python\nx = 1\n```"},
            "```python",
            "code block opens with 'python'; write ```language",
        ),
        (
            {"Answer": FILLER + '\n\n```python titel="x"\nx = 1\n```'},
            "```python titel",
            "code block opens with",
        ),
    ],
)
def test_an_error_names_line_and_remedy(
    corpus_folder: Path, changes: dict[str, str], reported_line: str, message: str
) -> None:
    found = findings_for(corpus_folder, **changes)
    assert [finding.path.name for finding in found] == ["001-sourdough.md"], found
    assert message in found[0].message
    assert found[0].path.read_text(encoding="utf-8").splitlines()[found[0].line - 1].startswith(reported_line)


def test_all_errors_are_reported_at_once(corpus_folder: Path) -> None:
    scenario_path(corpus_folder, 2).write_text(
        scenario_text(2, id="id: zwei", tags="tags: []"), encoding="utf-8"
    )
    found = findings_for(corpus_folder, 1, reviewed="", related="")
    assert sorted(finding.message.split(";")[0].split(":")[0] for finding in found) == [
        "'id'",
        "'related' is missing",
        "'reviewed' is missing",
        "'tags'",
    ]
    with pytest.raises(ContentError, match=r"4 finding\(s\)"):
        load_corpus(corpus_folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"## Problem\n\nno front matter", "no front matter; begin the file with a block of YAML"),
        (b"---\nid: 1\n", "no front matter"),
        (b"", "no front matter"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_scenario_is_reported(corpus_folder: Path, text: bytes, message: str) -> None:
    scenario_path(corpus_folder, 1).write_bytes(text)
    found = read_corpus(corpus_folder)[1]
    assert any(message in finding.message for finding in found)


def test_a_file_name_must_carry_id_and_slug(corpus_folder: Path) -> None:
    scenario_path(corpus_folder, 1).rename(corpus_folder / "kitchen" / "Sourdough.md")
    assert any(
        "name it <id of three digits>-<slug>.md" in finding.message
        for finding in read_corpus(corpus_folder)[1]
    )


def test_ids_slugs_and_titles_are_unique(corpus_folder: Path) -> None:
    twin = corpus_folder / "kitchen" / "002-sourdough.md"
    scenario_path(corpus_folder, 2).unlink()
    twin.write_text(scenario_text(2, title="title: Sourdough"), encoding="utf-8")
    messages = [finding.message for finding in read_corpus(corpus_folder)[1]]
    assert [message.split(" is ")[0] for message in messages] == ["slug 'sourdough'", "title 'Sourdough'"]


def test_near_duplicate_ways_of_asking_are_errors_across_scenarios(corpus_folder: Path) -> None:
    text = scenario_text(2).replace("how do I handle knife", "Sourdough -- how do I HANDLE it?")
    scenario_path(corpus_folder, 2).write_text(text, encoding="utf-8")
    scenario_path(corpus_folder, 1).write_text(
        scenario_text(1).replace("how do I handle sourdough", "how do I handle it, sourdough"),
        encoding="utf-8",
    )
    (finding,) = read_corpus(corpus_folder)[1]
    assert finding.path.name == "002-sharp-knives.md"
    assert finding.line == 7
    assert (
        "nearly repeats 'how do I handle it, sourdough' (001-sourdough.md:7); drop or reword one"
        in finding.message
    )


def test_related_may_name_a_planned_scenario_that_is_not_written(corpus_folder: Path) -> None:
    assert findings_for(corpus_folder, related="related: [2, 20]") == []


def test_a_folder_without_categories_or_scenarios_says_so(tmp_path: Path, corpus_folder: Path) -> None:
    with pytest.raises(ContentError, match="does not exist; a corpus is a folder with that file"):
        load_categories(tmp_path)
    (corpus_folder / "categories.yaml").write_text("- {slug: Not A Slug, title: x}", encoding="utf-8")
    with pytest.raises(ContentError, match="write a list of slug, title"):
        load_categories(corpus_folder)
    (tmp_path / "categories.yaml").write_text("[]", encoding="utf-8")
    with pytest.raises(ContentError, match="holds no scenario; write one"):
        load_corpus(tmp_path)
