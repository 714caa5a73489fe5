"""Lays a scenario's blocks out as the files of a small Django project."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.scenarios import CodeBlock
from tests.examples.example import Example, applies

BASE_PROJECT = Path(__file__).with_name("project")
FILE_PATH = re.compile(r"\.?[\w@-][\w.@-]*(/\.?[\w@-][\w.@-]*)*")
SETTINGS = "config/settings.py"
NOT_A_FILE = "terminal"
NOT_APPS = {"config", "tests"}

# Added below the blocks, so that a block may install an app itself (by name or by its AppConfig).
INSTALL_APPS = """
INSTALLED_APPS += [
    app for app in {apps!r} if not any(entry.split(".apps.")[0] == app for entry in INSTALLED_APPS)
]
"""


class LayoutError(Exception):
    """The blocks do not make a project; the message names file, line and remedy."""


@dataclass(frozen=True)
class PlacedBlock:
    """A Python block and where it lies: lines `first` to `last` (from 1, inclusive) of `file`."""

    block: CodeBlock
    file: Path
    first: int
    last: int


@dataclass(frozen=True)
class Project:
    folder: Path
    python_blocks: tuple[PlacedBlock, ...]


def lay_out(example: Example, django: str, folder: Path) -> Project:
    """Write the project for one Django version into the empty `folder`."""
    if not example.test_module.exists():
        raise LayoutError(
            f"{example.path} has Python blocks, but nothing tests them; write {example.test_module}"
        )
    shutil.copytree(BASE_PROJECT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    context = _copy_context(example, folder)
    placed = list(_write_blocks(example, django, folder, context))
    _install_apps(folder)
    shutil.copy(example.test_module, folder)
    return Project(folder, tuple(placed))


def _copy_context(example: Example, folder: Path) -> set[str]:
    """Copy the context files over the base project; return their paths, without the settings, which add up."""
    copied = set()
    for source in sorted(example.context_folder.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            title = source.relative_to(example.context_folder).as_posix()
            if title == SETTINGS:
                _write(folder / title, source.read_text(encoding="utf-8"), append=True)
                continue
            (folder / title).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / title)
            copied.add(title)
    return copied


def _write_blocks(example: Example, django: str, folder: Path, context: set[str]) -> Iterator[PlacedBlock]:
    """Write each block that applies; yield the Python ones with their lines."""
    begun = {SETTINGS}
    for block in example.blocks:
        if block.title == NOT_A_FILE and block.language != "python":
            continue
        _check_title(example, block, context)
        if not applies(block, django):
            continue
        file = folder / block.title
        last_line = _write(file, block.code, append=block.title in begun)
        begun.add(block.title)
        if block.language == "python":
            yield PlacedBlock(block, file, last_line - block.code.count("\n") + 1, last_line)


def _check_title(example: Example, block: CodeBlock, context: set[str]) -> None:
    where = example.where(block)
    if not FILE_PATH.fullmatch(block.title):
        raise LayoutError(f"{where}: the title is no relative file path; write one, or 'terminal'")
    if block.language == "python" and not block.title.endswith(".py"):
        raise LayoutError(f"{where}: a Python file's name ends with .py")
    if block.title in context:
        raise LayoutError(f"{where}: would overwrite the context file of that name; delete the context file")


def _write(file: Path, text: str, *, append: bool) -> int:
    """Write or append `text` as whole lines; return the number of the file's last line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text(encoding="utf-8") + "\n\n" if append else ""
    file.write_text(before + text, encoding="utf-8")
    return (before + text).count("\n")


def _install_apps(folder: Path) -> None:
    """Make every top-level folder with Python in it a package and an app; see tests/content/README.md."""
    apps = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir()
        and path.name.isidentifier()
        and path.name not in NOT_APPS
        and any(path.rglob("*.py"))
    )
    for app in apps:
        for inner in {file.parent for file in (folder / app).rglob("*.py")} | {folder / app}:
            (inner / "__init__.py").touch()
    _write(folder / SETTINGS, INSTALL_APPS.format(apps=apps), append=True)
