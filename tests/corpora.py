"""Small corpora that tests write to a folder, in the real format."""

from __future__ import annotations

from pathlib import Path

from app.labelled import InScope, Labelled, OutOfScope

CATEGORIES = """\
- {slug: kitchen, title: Kitchen, ids: [1, 10]}
- {slug: garden, title: Garden, ids: [11, 20]}
"""

# Prose of the length that the format asks for; the same everywhere, so that it tells nothing apart.
FILLER = " ".join(["You look at it once more and go on with the next part of the work."] * 18)

TOPICS = {
    1: ("kitchen", "Sourdough", ["bread", "oven", "yeast"], "sourdough bread dough baking oven crust yeast"),
    2: (
        "kitchen",
        "Sharp Knives",
        ["knife", "steel", "edge"],
        "knife blade sharpen whetstone edge steel dull",
    ),
    11: ("garden", "Tomatoes", ["tomato", "plant", "soil"], "tomato plant watering blight soil sun staking"),
}

WAYS = (
    "how do I handle {}",
    "trouble with {} since yesterday",
    "{}: where to begin",
    "my neighbour says {} matters, does it",
    "beginner here, {} went wrong twice",
    "what is the usual cure for {}",
    "is there a checklist about {}",
    "{} keywords only",
    "we inherited a house full of {}",
    "please explain {} slowly",
    "cost of getting {} wrong",
    "before winter comes, {} again",
)


def scenario_text(number: int, **changes: str) -> str:
    """Scenario `number` of TOPICS as a file; `changes` replace whole front matter lines or sections."""
    category, title, tags, words = TOPICS[number]
    subjects = words.split()
    asked = [way.format(subjects[n % len(subjects)]) for n, way in enumerate(WAYS)]
    parts = {
        "id": f"id: {number}",
        "title": f"title: {title}",
        "category": f"category: {category}",
        "tags": f"tags: [{', '.join(tags)}]",
        "asked_as": "asked_as:\n" + "\n".join(f'  - "{text}"' for text in asked),
        "related": f"related: [{', '.join(str(other) for other in TOPICS if other != number)}]",
        "sources": 'sources:\n  - {title: "Manual", url: "https://example.org/manual"}',
        "reviewed": "reviewed: 2026-11",
    }
    sections = {
        "Problem": f"Something about {words} does not work.",
        "Short answer": f"Look after {subjects[0]} first, then after {subjects[1]}.",
        "Answer": f"1. **Begin with {subjects[2]}.** {FILLER}\n\n"
        f'   ```python title="house/{title.lower().replace(" ", "_")}.py"\n   ready = True\n   ```',
        "Watch out": f"- **Too much {subjects[3]}.** It spoils the rest.",
        "Check it": f"Look at {subjects[4]} again.",
    }
    parts |= {key: text for key, text in changes.items() if key in parts}
    sections |= {key: text for key, text in changes.items() if key in sections}
    front = "\n".join(text for text in parts.values() if text)
    body = "\n\n".join(f"## {name}\n\n{text}" for name, text in sections.items())
    return f"---\n{front}\n---\n\n{body}\n"


def scenario_path(folder: Path, number: int) -> Path:
    category, title, *_ = TOPICS[number]
    return folder / category / f"{number:03d}-{title.lower().replace(' ', '-')}.md"


def write_corpus(folder: Path) -> Path:
    """All of TOPICS below `folder`, which is returned."""
    for number in TOPICS:
        path = scenario_path(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario_text(number), encoding="utf-8")
    (folder / "categories.yaml").write_text(CATEGORIES, encoding="utf-8")
    return folder


QUESTIONS = {
    "fit": {
        1: ["my loaf did not rise", "crust of the bread is burnt", "how warm for yeast dough", "baking a loaf"],
        2: ["the blade is dull", "whetstone or steel", "sharpening a kitchen knife", "edge of my knife chips"],
        11: ["blight on my tomato plants", "staking tall tomatoes", "tomato soil is dry", "sun for a tomato plant"],
    },
    "test": {
        1: ["bread dough stays flat in the oven", "sourdough crust too hard"],
        2: ["my knife has lost its edge", "which whetstone for a dull blade"],
        11: ["tomato plants have blight again", "how much watering do tomatoes want"],
    },
}  # fmt: skip
UNANSWERABLE = {
    "fit": {
        "near": ["peel an onion", "clean a frying pan", "prune the roses", "mow a wet lawn", "descale the kettle",
                 "keep snails off the lettuce"],
        "far": ["capital of Mongolia", "replace a bicycle chain", "rules of chess", "file my tax return",
                "best seats on a train", "learn to play the violin"],
    },
    "test": {
        "near": ["clean a burnt pan", "prune an apple tree"],
        "far": ["who won the chess tournament", "repair a bicycle wheel"],
    },
}  # fmt: skip


def labelled_questions(folder: str) -> Labelled:
    """Those of `fit` or `test` for the scenarios of TOPICS."""
    return Labelled(
        [InScope(text=text, ok=[number]) for number, texts in QUESTIONS[folder].items() for text in texts],
        [
            OutOfScope.model_validate({"text": text, "kind": kind})
            for kind, texts in UNANSWERABLE[folder].items()
            for text in texts
        ],
    )


def write_questions(content: Path) -> None:
    """Both folders of labelled questions beside `content`, where a build and an evaluation look for them."""
    for name in QUESTIONS:
        folder = content.parent / "evaluation" / name
        folder.mkdir(parents=True, exist_ok=True)
        questions = labelled_questions(name)
        for file, rows in (("in_scope", questions.in_scope), ("out_of_scope", questions.out_of_scope)):
            lines = [row.model_dump_json(exclude_none=True) + "\n" for row in rows]
            (folder / f"{file}.jsonl").write_text("".join(lines), encoding="utf-8")
