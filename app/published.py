"""A scenario as the index holds it: rendered once at build time, so that an answer costs no rendering."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, TypeAdapter

from app.rendering import to_html
from app.scenarios import Scenario


class CategoryRef(BaseModel):
    model_config = ConfigDict(frozen=True)

    slug: str
    title: str


class SourceRef(BaseModel):
    model_config = ConfigDict(frozen=True)

    title: str
    url: str


class Section(BaseModel):
    """One part of a scenario; `name` is `problem`, `short_answer`, `answer`, `watch_out` or `check_it`."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    markdown: str
    html: str


class PublishedScenario(BaseModel):
    """Everything that a surface shows; `related` holds only ids that are in the same index."""

    model_config = ConfigDict(frozen=True)

    id: int
    slug: str
    title: str
    category: CategoryRef
    tags: list[str]
    asked_as: list[str]
    related: list[int]
    sources: list[SourceRef]
    reviewed: str
    problem: Section
    short_answer: Section
    body: list[Section]

    @classmethod
    def from_scenario(cls, scenario: Scenario, ids: set[int]) -> PublishedScenario:
        def section(name: str, title: str) -> Section:
            markdown: str = getattr(scenario, name)
            return Section(name=name, title=title, markdown=markdown, html=to_html(markdown))

        return cls(
            id=scenario.id,
            slug=scenario.slug,
            title=scenario.title,
            category=CategoryRef(slug=scenario.category.slug, title=scenario.category.title),
            tags=list(scenario.tags),
            asked_as=list(scenario.asked_as),
            related=[number for number in scenario.related if number in ids],
            sources=[SourceRef(title=source.title, url=str(source.url)) for source in scenario.sources],
            reviewed=scenario.reviewed,
            problem=section("problem", "Problem"),
            short_answer=section("short_answer", "Short answer"),
            body=[
                section("answer", "Answer"),
                section("watch_out", "Watch out"),
                section("check_it", "Check it"),
            ],
        )

    @property
    def path(self) -> str:
        """The permalink, without scheme and host."""
        return f"/scenarios/{self.id}-{self.slug}"

    @property
    def answer_markdown(self) -> str:
        return "\n\n".join(f"## {part.title}\n\n{part.markdown}" for part in self.body)

    @property
    def answer_html(self) -> str:
        return "\n".join(
            f'<section class="{part.name.replace("_", "-")}"><h2>{part.title}</h2>\n{part.html}</section>'
            for part in self.body
        )


PublishedScenarios = TypeAdapter(list[PublishedScenario])
