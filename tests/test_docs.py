"""The documents are true: what the code has, they name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from pydantic_core import PydanticUndefined

from app import api, health
from app.cli import cli
from app.settings import PROJECT, Settings
from scripts.screenshots import DEVICES, SCENES

README = (PROJECT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]


def test_readme_begins_with_the_two_commands() -> None:
    first_block = README.split("```")[1].strip().splitlines()
    assert [line.split()[0] for line in first_block] == ["scripts/serve", "scripts/test"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_readme_has_every_setting_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    assert default is not PydanticUndefined
    shown = "none" if default is None else f"`{default.name if isinstance(default, Path) else default}`"
    assert f"| `{Settings.variable(name)}` | {shown} |" in README


def test_readme_has_every_script_and_no_other() -> None:
    there = {
        f"scripts/{path.name}"
        for path in (PROJECT / "scripts").iterdir()
        if not path.suffix and path.is_file()
    }
    assert set(re.findall(r"^\| `(scripts/\w+)", README, re.MULTILINE)) == there


def test_readme_has_every_command() -> None:
    for command in cli.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        assert f"`{name}`" in README, name


def test_readme_has_every_module() -> None:
    modules = {f"`app/{path.name}`" for path in (PROJECT / "app").glob("*.py") if path.name != "__init__.py"}
    assert {name for name in modules if name not in README} == set()


def test_the_api_document_has_every_route_and_field() -> None:
    document = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    for router in (api.router, health.router):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            if route.include_in_schema:
                assert f"{min(route.methods)} {route.path}" in document


def test_readme_shows_every_page_in_small_pictures() -> None:
    pictures = {f"docs/images/{scene}-{device}.png" for scene in SCENES for device in DEVICES}
    assert set(re.findall(r"\]\((docs/images/[^)]+)\)", README)) == pictures
    assert {f"docs/images/{path.name}" for path in (PROJECT / "docs" / "images").iterdir()} == pictures
    assert sum((PROJECT / name).stat().st_size for name in pictures) < 1_500_000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", ["README.md", "evaluation/README.md"])
def test_the_figures_are_those_of_the_accepted_run(document: str) -> None:
    text = (PROJECT / document).read_text(encoding="utf-8")
    accepted = json.loads((PROJECT / "evaluation" / "accepted.json").read_text(encoding="utf-8"))
    rows = [
        (accepted["in_scope"], ("hit@1", "hit@3", "mrr")),
        (accepted["in_scope"], ("answered_right", "helped")),
        (accepted["tracebacks"], ("hit@1", "hit@3", "helped")),
        (accepted["out_of_scope"]["near"], ("answered", "suggested", "refused")),
        (accepted["out_of_scope"]["far"], ("answered", "suggested", "refused")),
        (accepted["followups"], ("right",)),
        (accepted["typos"], ("hit@1", "loss_of_hit@1")),
    ]
    for figures, names in rows:
        assert f"| {' / '.join(f'{figures[name]:.3f}' for name in names)} |" in text, names
