"""The code of every answer does what the answer says; tests/content/README.md tells how."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.scenarios import CodeBlock
from tests.conftest import lacking_is_failing_in_ci
from tests.examples import EXAMPLE_TESTS
from tests.examples.environments import ENVIRONMENTS
from tests.examples.example import Example, all_examples, applies
from tests.examples.layout import lay_out
from tests.examples.parsers import check_block
from tests.examples.run import run_example
from tests.examples.servers import Servers

EXAMPLES = all_examples()
RUNS = [
    pytest.param(example, django, id=f"{example.name}-django{django}")
    for example in EXAMPLES
    for django in ENVIRONMENTS
    if example.runs_on(django)
]
OTHER_BLOCKS = [
    pytest.param(example, block, id=f"{example.name}-{block.language}-line{block.line}")
    for example in EXAMPLES
    for block in example.blocks
    if block.language != "python"
]
# Counted in the text itself: a block that the reader of scenarios lost would be missing everywhere else.
PYTHON_FENCE = re.compile(r"^\s*```+\s*python\b", re.MULTILINE)


@pytest.mark.parametrize(("example", "django"), RUNS)
def test_the_code_of_an_answer_does_what_the_answer_says(
    example: Example, django: str, servers: Servers, tmp_path: Path
) -> None:
    with lacking_is_failing_in_ci(), servers.variables(example.needs()) as variables:
        result = run_example(example, django, tmp_path, servers=variables)
    if not result.proven:
        pytest.fail(result.report, pytrace=False)
    written = [block for block in example.python_blocks if applies(block, django)]
    assert result.execution is not None
    assert len(result.execution.blocks) == len(written)


@pytest.mark.parametrize(("example", "block"), OTHER_BLOCKS)
def test_a_block_in_another_language_parses(example: Example, block: CodeBlock) -> None:
    with lacking_is_failing_in_ci():
        check_block(example, block)


def test_every_python_block_written_is_among_those_that_run(tmp_path: Path) -> None:
    written = {
        example.name: len(PYTHON_FENCE.findall(example.path.read_text("utf-8"))) for example in EXAMPLES
    }
    run: dict[str, set[CodeBlock]] = {example.name: set() for example in EXAMPLES}
    for example in EXAMPLES:
        for django in filter(example.runs_on, ENVIRONMENTS):
            project = lay_out(example, django, tmp_path / f"{example.name}-{django}")
            run[example.name] |= {placed.block for placed in project.python_blocks}
    assert {name: len(blocks) for name, blocks in run.items()} == written
    assert sum(map(len, run.values())) == sum(written.values())


def test_every_example_has_a_test_module_and_every_test_module_and_context_folder_a_scenario() -> None:
    modules = {path.name for path in EXAMPLE_TESTS.glob("test_*.py")}
    folders = {path.name for path in (EXAMPLE_TESTS / "files").glob("*")}
    assert {example.test_module.name for example in EXAMPLES if example.python_blocks} <= modules
    assert modules <= {example.test_module.name for example in EXAMPLES}
    assert folders <= {f"{example.id:03}" for example in EXAMPLES}
