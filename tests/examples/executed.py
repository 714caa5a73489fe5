"""Which code of an example's blocks never ran, by what coverage.py measured."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData
from coverage.data import combine_parallel_data

from app.scenarios import CodeBlock
from tests.examples.example import Example
from tests.examples.layout import PlacedBlock, Project

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Execution:
    """`blocks` are those that ran, `missing` names every block and function that did not."""

    blocks: tuple[CodeBlock, ...]
    missing: tuple[str, ...]


def execution(example: Example, project: Project, measured: Path) -> Execution:
    """What ran of the project, by the data that coverage.py left in the folder `measured`."""
    data = CoverageData(basename=str(measured / "combined"))
    combine_parallel_data(data, data_paths=[str(path) for path in measured.glob("coverage.*")])
    blocks, missing = [], []
    for placed in project.python_blocks:
        ran = set(data.lines(str(placed.file)) or ())
        problems = list(_problems(placed, ran))
        missing += [f"{example.where(placed.block)}: {problem}" for problem in problems]
        if ran.intersection(range(placed.first, placed.last + 1)):
            blocks.append(placed.block)
    return Execution(tuple(blocks), tuple(missing))


def _problems(placed: PlacedBlock, ran: set[int]) -> Iterator[str]:
    within = range(placed.first, placed.last + 1)
    if not ran.intersection(within):
        yield "never ran"
        return
    for function in ast.walk(ast.parse(placed.file.read_text(encoding="utf-8"))):
        if isinstance(function, Function) and function.lineno in within and (body := _body(function)):
            if body[0].lineno == function.lineno:
                yield f"{function.name}() is written on one line; put its body on a line of its own"
            elif not ran.intersection(_lines(body)):
                yield f"{function.name}() never ran"


def _body(function: Function) -> list[ast.stmt]:
    """The statements that do something: no docstring, no `...`, no `pass`."""
    return [node for node in function.body if not _does_nothing(node)]


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _lines(statements: list[ast.stmt]) -> set[int]:
    return {line for node in statements for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
