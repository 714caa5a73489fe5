"""A scenario seen as code: its blocks, its test module, its context files."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from app.corpus import load_categories, scenario_paths
from app.scenario_file import FILE_NAME, read_scenario
from app.scenarios import CodeBlock, Finding
from tests.examples import EXAMPLE_TESTS, ROOT

CONTENT = ROOT / "content"


@dataclass(frozen=True)
class Example:
    """The code of one scenario. `blocks` are in the order of the file, of every language.

    `findings` are what is wrong with the file; a block that could not be read is among them.
    """

    id: int
    slug: str
    path: Path
    blocks: tuple[CodeBlock, ...]
    findings: tuple[Finding, ...] = ()
    tests_folder: Path = EXAMPLE_TESTS

    @property
    def name(self) -> str:
        return f"{self.id:03}_{self.slug.replace('-', '_')}"

    @property
    def test_module(self) -> Path:
        return self.tests_folder / f"test_{self.name}.py"

    @property
    def context_folder(self) -> Path:
        """Files that any reader has in their project: never the advice itself."""
        return self.tests_folder / "files" / f"{self.id:03}"

    @property
    def python_blocks(self) -> list[CodeBlock]:
        return [block for block in self.blocks if block.language == "python"]

    def where(self, block: CodeBlock) -> str:
        return f"{self.path}:{block.line}: {block.language} block '{block.title}'"

    def needs(self) -> tuple[str, ...]:
        """The servers named by `NEEDS = (…)` in the test module, which is not imported for that."""
        try:
            tree = ast.parse(self.test_module.read_text(encoding="utf-8"))
        except (FileNotFoundError, SyntaxError):  # the run itself tells more about either
            return ()
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NEEDS":
                return tuple(ast.literal_eval(node.value))
        return ()

    def runs_on(self, django: str) -> bool:
        """Whether there is something to run; a test module may prove an answer without Python blocks."""
        if self.python_blocks:
            return any(applies(block, django) for block in self.python_blocks)
        return self.test_module.exists()


def read_example(path: Path) -> Example:
    """The example in one scenario file, whatever else is wrong with the text around the code."""
    named = FILE_NAME.fullmatch(path.name)
    if not named:
        raise ValueError(f"{path} is not named <id of three digits>-<slug>.md")
    _, file = read_scenario(path, load_categories(path.parents[1]))
    return Example(int(named["id"]), named["slug"], path, tuple(file.code_blocks), tuple(file.findings))


def find_example(number: int, folder: Path = CONTENT) -> Example:
    """The example of the scenario with this id; reads no other file."""
    for path in scenario_paths(folder):
        if path.name.startswith(f"{number:03}-"):
            return read_example(path)
    raise LookupError(f"no scenario {number}: no file {folder}/*/{number:03}-*.md")


def all_examples(folder: Path = CONTENT) -> list[Example]:
    """The examples of every scenario in `folder`, in the order of the files."""
    return [read_example(path) for path in scenario_paths(folder) if FILE_NAME.fullmatch(path.name)]


def applies(block: CodeBlock, django: str) -> bool:
    """Whether a block is laid out for this Django: `django="6.1"` means from that version on."""
    return block.django is None or version(block.django) <= version(django)


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
