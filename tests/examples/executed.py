"""Which code of an example's blocks never ran, by what coverage.py measured."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from coverage import CoverageData
from coverage.data import combine_parallel_data

from tests.examples.example import Example
from tests.examples.layout import PlacedBlock, Project

Function = ast.FunctionDef | ast.AsyncFunctionDef


def unexecuted(example: Example, project: Project, measured: Path) -> list[str]:
    """A line for every block and function of the project that never ran."""
    data = CoverageData(basename=str(measured / "combined"))
    combine_parallel_data(data, data_paths=[str(path) for path in measured.glob("coverage.*")])
    return [
        f"{example.where(placed.block)}: {what}"
        for placed in project.python_blocks
        for what in _missing(placed, set(data.lines(str(placed.file)) or ()))
    ]


def _missing(placed: PlacedBlock, ran: set[int]) -> Iterator[str]:
    nodes = list(ast.walk(ast.parse(placed.file.read_text(encoding="utf-8"))))
    within = range(placed.first, placed.last + 1)
    statements = [node for node in nodes if isinstance(node, ast.stmt) and node.lineno in within]
    if not ran.intersection(_lines(statements)):
        yield "never ran"
        return
    for function in statements:
        if isinstance(function, Function) and (body := _body(function)):
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
