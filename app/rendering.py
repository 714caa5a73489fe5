"""A scenario as people read it: safe HTML for pages, for which raw HTML in Markdown is text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

from app.scenario_file import block_options

_formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)
# Pygments' names for the languages that the content calls otherwise.
LEXERS = {"dockerfile": "docker"}


class Renderer(RendererHTML):
    """Fenced code becomes a figure with its title as caption and highlighted lines."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        try:
            language, title, _ = block_options(tokens[idx].info)
        except (
            ValueError
        ):  # not written by our rules: no title, and highlighted if the first word is a language
            language, title = tokens[idx].info.strip().split(" ")[0], None
        return code_figure(tokens[idx].content, language, title)


def code_figure(code: str, language: str, title: str | None) -> str:
    """The code as an HTML figure; a language that Pygments does not know is shown plain."""
    try:
        lexer = get_lexer_by_name(LEXERS.get(language, language))
    except ClassNotFound:
        lexer = TextLexer()
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    lines = highlight(code, lexer, _formatter)
    return (
        f'<figure class="code" data-language="{escape(language)}">{caption}'
        f'<pre tabindex="0"><code class="highlight">{lines}</code></pre></figure>\n'
    )


def _align_by_class(state: StateCore) -> None:
    """Columns are aligned by a class: the policy of the pages forbids `style` attributes."""
    for token in state.tokens:
        if style := token.attrs.pop("style", None):
            token.attrSet("class", str(style).replace("text-align:", "align-"))


def _number_steps(state: StateCore) -> None:
    """The items of an ordered list tell their number, so that a page can give its steps addresses."""
    for token in state.tokens:
        if token.type == "list_item_open" and token.level == 1 and token.info:
            token.attrSet("data-step", token.info)


_markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer).enable(
    ["table", "strikethrough"]
)
_markdown.core.ruler.push("align_by_class", _align_by_class)
_markdown.core.ruler.push("number_steps", _number_steps)


def to_html(markdown: str) -> str:
    """HTML without scripts, raw HTML or unsafe links, whatever the Markdown holds."""
    html: str = _markdown.render(markdown)
    return html
