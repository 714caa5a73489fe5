"""A folder of scenarios, checked as a whole: what one file alone cannot show.

`load_corpus` is the one way in; it either returns a corpus without findings or raises ContentError with
all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from app.errors import ContentError
from app.scenario_file import FILE_NAME, ScenarioFile, read_scenario
from app.scenarios import Category, Finding, Scenario

MIN_PROSE_WORDS, MAX_PROSE_WORDS = 250, 600
MAX_SHORT_ANSWER_WORDS = 70
# Share of common words (Jaccard) from which two ways of asking count as the same.
NEAR_DUPLICATE = 0.8
FENCED = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
LINK_TARGET = re.compile(r"\]\([^)]*\)")
SCENARIO_LINK = re.compile(r"\]\(/scenarios/(\d+)\)")
WORD = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class Corpus:
    """`categories` by slug and `scenarios` by id, both in the order in which they are shown."""

    folder: Path
    categories: dict[str, Category]
    scenarios: dict[int, Scenario]


def load_categories(folder: Path) -> dict[str, Category]:
    """The categories of a corpus by slug, in the order of `categories.yaml`; ContentError if unusable."""
    path = folder / "categories.yaml"
    try:
        rows = TypeAdapter(list[Category]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ContentError(
            f"{path} does not exist; a corpus is a folder with that file and one folder per category"
        ) from None
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        raise ContentError(f"{path}: {error}; write a list of slug, title and, if planned, ids") from error
    return {row.slug: row for row in rows}


def scenario_paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*.md") if not path.name.startswith("."))


def content_hash(folder: Path) -> str:
    """sha256 over names and bytes of all files that make the corpus."""
    digest = hashlib.sha256()
    for path in [folder / "categories.yaml", *scenario_paths(folder)]:
        if path.exists():
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def load_corpus(folder: Path) -> Corpus:
    """The corpus in `folder`; ContentError lists every finding if there is any."""
    corpus, findings = read_corpus(folder)
    if findings:
        listing = "\n".join(map(str, findings))
        raise ContentError(f"{len(findings)} finding(s) in {folder}:\n{listing}")
    if not corpus.scenarios:
        raise ContentError(f"{folder} holds no scenario; write one as {folder}/<category>/001-<slug>.md")
    return corpus


def read_corpus(folder: Path) -> tuple[Corpus, list[Finding]]:
    """Every readable scenario of `folder`, and every finding, sorted by file and line."""
    categories = load_categories(folder)
    findings: list[Finding] = []
    pairs: list[tuple[Scenario, ScenarioFile]] = []
    for path in scenario_paths(folder):
        scenario, file = read_scenario(path, categories)
        if scenario:
            pairs.append((scenario, file))
        findings += file.findings
    order = {slug: number for number, slug in enumerate(categories)}
    pairs.sort(key=lambda pair: (order[pair[0].category.slug], pair[0].id))
    scenarios = [scenario for scenario, _ in pairs]
    for scenario, file in pairs:
        findings += _check_length(scenario, file)
    findings += _check_identity(scenarios)
    findings += _check_references(pairs, _ids(folder, categories))
    findings += _check_asked_as(pairs)
    findings.sort(key=lambda finding: (str(finding.path), finding.line))
    return Corpus(folder, categories, {scenario.id: scenario for scenario in scenarios}), findings


def prose_words(*texts: str) -> int:
    """Number of words outside fenced code; a link counts by its text."""
    return sum(len(LINK_TARGET.sub("]", FENCED.sub("", text)).split()) for text in texts)


def _check_length(scenario: Scenario, file: ScenarioFile) -> Iterator[Finding]:
    words = prose_words(*file.sections.values())
    if not MIN_PROSE_WORDS <= words <= MAX_PROSE_WORDS:
        yield Finding(
            scenario.path,
            file.body_start + 1,
            f"{words} words of prose; write {MIN_PROSE_WORDS} to {MAX_PROSE_WORDS}, code not counted",
        )
    if (words := prose_words(scenario.short_answer)) > MAX_SHORT_ANSWER_WORDS:
        line = next(n for n, text in enumerate(file.lines, 1) if text.strip() == "## Short answer")
        yield Finding(scenario.path, line, f"short answer of {words} words; at most {MAX_SHORT_ANSWER_WORDS}")


def _check_identity(scenarios: Sequence[Scenario]) -> Iterator[Finding]:
    for name in ("id", "slug", "title"):
        seen: dict[object, Scenario] = {}
        for scenario in scenarios:
            value = getattr(scenario, name)
            if first := seen.get(value):
                yield Finding(
                    scenario.path, 1, f"{name} '{value}' is already that of {first.path}; choose another"
                )
            seen.setdefault(value, scenario)


def _ids(folder: Path, categories: dict[str, Category]) -> set[int]:
    """Ids that a scenario may refer to: those planned, and those of the files there are, readable or not."""
    planned = [
        range(category.ids[0], category.ids[1] + 1) for category in categories.values() if category.ids
    ]
    written = [
        int(named["id"]) for path in scenario_paths(folder) if (named := FILE_NAME.fullmatch(path.name))
    ]
    return set(chain(*planned, written))


def _check_references(pairs: Sequence[tuple[Scenario, ScenarioFile]], known: set[int]) -> Iterator[Finding]:
    for scenario, file in pairs:
        named = [("related", file.key_lines.get("related", 1), number) for number in scenario.related]
        for line, text in enumerate(file.lines, 1):
            named += [("a link", line, int(number)) for number in SCENARIO_LINK.findall(text)]
        for what, line, number in named:
            if number == scenario.id:
                yield Finding(
                    scenario.path, line, f"{what} names the scenario itself ({number}); take it out"
                )
            elif number not in known:
                yield Finding(
                    scenario.path, line, f"{what} names {number}, which no scenario has; correct it"
                )


def _check_asked_as(pairs: Sequence[tuple[Scenario, ScenarioFile]]) -> Iterator[Finding]:
    rows = [
        (frozenset(WORD.findall(text.lower())), text, scenario, file.key_lines.get(f"asked_as.{number}", 1))
        for scenario, file in pairs
        for number, text in enumerate(scenario.asked_as)
    ]
    for (words_a, text_a, a, line_a), (words_b, text_b, b, line_b) in combinations(rows, 2):
        smaller, larger = sorted((len(words_a), len(words_b)))
        # The common share cannot exceed smaller / larger: most pairs need no set operation.
        if smaller < NEAR_DUPLICATE * larger:
            continue
        if text_a == text_b or len(words_a & words_b) >= NEAR_DUPLICATE * len(words_a | words_b):
            yield Finding(
                b.path,
                line_b,
                f"asked_as '{text_b}' nearly repeats '{text_a}' ({a.path.name}:{line_a}); drop or reword one",
            )
