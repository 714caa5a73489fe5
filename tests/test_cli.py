"""The `scenarios` command as people run it: in a process of its own, its output read."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.assistant import Assistant
from app.manifest import CURRENT
from app.settings import PROJECT, Settings
from tests.corpora import scenario_path, scenario_text

XML = "a bank calls us asking for text/xml and gets 406, json must stay the default"
COMMAND = [sys.executable, "-m", "app.cli"]
ESCAPES = "\x1b[31mred\x1b]0;title\x07 \x9b31m \u202e txt/xml 406"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# They would colour what is no terminal.
FORCING = ("FORCE_COLOR", "PY_COLORS", "TTY_COMPATIBLE", "GITHUB_ACTIONS")


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in FORCING}
    return {**kept, "COLUMNS": "100", **variables}


def run(
    *arguments: str, stdin: str | bytes = "", status: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The finished command, which must have ended with `status`."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=PROJECT,
        env=environment(**variables),
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    output, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, (output, errors)
    assert "Traceback" not in errors
    return subprocess.CompletedProcess(done.args, status, output, errors)


def refused(*arguments: str, stdin: str | bytes = "", **variables: str) -> str:
    """The one line that a command which fails says."""
    done = run(*arguments, stdin=stdin, status=1, **variables)
    (line,) = done.stderr.splitlines()
    return line


def run_in_terminal(*arguments: str) -> str:
    """What the command writes to a terminal, escape sequences included."""
    inner, outer = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=PROJECT, env=environment(TERM="xterm-256color"), stdout=outer, stdin=outer
    ) as process:
        os.close(outer)
        written = b""
        while True:
            try:
                written += os.read(inner, 65_536)
            except OSError:  # the other end was closed
                break
    os.close(inner)
    assert process.returncode == 0
    return written.decode()


@pytest.fixture(autouse=True)
def _an_index(settings: Settings) -> None:
    """Every command finds one."""


# --- ask


def test_ask_prints_the_answer_and_its_alternatives(assistant: Assistant) -> None:
    output = run("ask", XML).stdout
    best, *others = assistant.ask(XML).results
    assert f"2  {best.scenario.title}" in output
    positions = [
        output.index(part) for part in ("Short answer", "Answer", "Watch out", "Check it", "Sources")
    ]
    assert positions == sorted(positions)
    assert "class TextXMLRenderer(XMLRenderer):" in output
    assert "shop/formats.py" in output
    assert '```python title="' not in output
    after = output.partition("Not this?")[2]
    assert [line.split(maxsplit=1) for line in after.strip().splitlines()] == [
        [str(other.scenario.id), other.scenario.title] for other in others
    ]
    assert "\x1b" not in output


def test_ask_highlights_code_in_a_terminal() -> None:
    output = run_in_terminal("ask", XML)
    assert re.search(r"\x1b\[[\d;]*mfrom\x1b\[0m\x1b\[[\d;]*m *\x1b\[0m", output)
    assert len(set(re.findall(r"\x1b\[[\d;]*m", output))) > 5


def test_ask_offers_a_choice_when_it_is_unsure(assistant: Assistant) -> None:
    output = run("ask", XML, SCENARIOS_ANSWER_CONFIDENCE="1").stdout
    assert "Did you mean one of these?" in output
    assert re.findall(r"^ +(\d+)  ", output, re.MULTILINE) == [
        str(candidate.scenario_id) for candidate in assistant.ask(XML).candidates[:3]
    ]


def without_time(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name not in {"answer_id", "took_ms"}}


@pytest.mark.parametrize("explain", [False, True])
def test_json_is_the_reply_of_the_api(server: str, explain: bool) -> None:
    options = ["--json", "--category", "api-design", "--top-k", "2", *(["--explain"] if explain else [])]
    printed = json.loads(run("ask", *options, XML).stdout)
    served = httpx.post(
        f"{server}/api/v1/ask",
        json={"question": XML, "category": "api-design", "top_k": 2, "explain": explain},
        timeout=30,
    ).json()
    assert printed.keys() == served.keys()
    assert without_time(printed) == without_time(served)
    assert printed["results"][0]["scenario"]["id"] == 2


def test_questions_come_one_a_line_from_standard_input() -> None:
    lines = [XML, "", "how do I bake bread", "日本語の質問 🚀", "  "]
    replies = [
        json.loads(line) for line in run("ask", "--json", "-", stdin="\n".join(lines)).stdout.splitlines()
    ]
    assert [reply["question"] for reply in replies] == [XML, "how do I bake bread", "日本語の質問 🚀"]
    assert [reply["verdict"] for reply in replies[:2]] == ["answer", "no_answer"]


def test_each_answer_from_standard_input_stands_below_its_question() -> None:
    output = run("ask", "-", stdin=f"how do I bake bread\n{XML}\r\n").stdout
    headings = [line.strip("─ ") for line in output.splitlines() if line.startswith("──")]
    assert headings == ["how do I bake bread", XML]
    first, second = output.partition(XML)[::2]
    assert "No scenario here answers that. Say it in other words" in first
    assert "Adding a New Format" in second
    assert "Adding a New Format" not in first


def test_nothing_on_standard_input_is_nothing_to_do() -> None:
    done = run("ask", "-", stdin="\n \n")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (
            f"{XML}\n\n{'x' * 4001}\nnever read",
            "line 3: question has 4001 characters; at most 4000: shorten it",
        ),
        (
            b"caf\xe9\n",
            "line 1: question is not valid Unicode: half a surrogate pair at character 3; send UTF-8",
        ),
    ],
    ids=["too long", "Latin-1"],
)
def test_a_line_that_is_no_question_is_named(stdin: str | bytes, message: str) -> None:
    assert (
        refused("ask", "-", stdin=stdin, PYTHONIOENCODING="utf-8:strict") == f"Question rejected: {message}"
    )


def test_control_characters_of_a_question_never_reach_the_terminal() -> None:
    done = run("ask", "-", stdin=ESCAPES + "\n")
    assert "txt/xml 406" in done.stdout
    assert CONTROL.search(done.stdout + done.stderr) is None
    done = run("ask", "--json", ESCAPES)
    assert json.loads(done.stdout)["question"] == ESCAPES
    assert CONTROL.search(done.stdout + done.stderr) is None
    assert CONTROL.search(refused("ask", "--category", ESCAPES, "q")) is None


def test_a_secret_in_a_question_is_not_printed() -> None:
    secret = "Quartz" + "Lime" * 3
    output = run("ask", "-", stdin=f"redis://:{secret}@cache refuses\n").stdout
    assert secret not in output
    assert "redis://:[redacted]@cache refuses" in output


# --- show, list


def test_show_prints_one_scenario(assistant: Assistant) -> None:
    *_, (number, scenario) = assistant.scenarios.items()
    output = run("show", str(number)).stdout
    assert f"{number}  {scenario.title}" in output
    assert all(source.url in output for source in scenario.sources)
    assert "Not this?" not in output


def test_list_prints_every_scenario_by_category(assistant: Assistant) -> None:
    lines = run("list").stdout.splitlines()
    expected: dict[str, list[str]] = {}
    for scenario in assistant.scenarios.values():
        heading = f"{scenario.category.title} ({scenario.category.slug})"
        expected.setdefault(heading, []).append(f"{scenario.id:>5}  {scenario.title}")
    assert lines == [line for heading, rows in expected.items() for line in (heading, *rows)]


@pytest.mark.parametrize("arguments", [["list"], ["ask", "--json", XML]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=PROJECT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


def test_list_can_be_cut_by_head() -> None:
    done = subprocess.run(
        f"{sys.executable} -m app.cli list | head -1", shell=True, cwd=PROJECT, env=environment(),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("API Design and Versioning (api-design)\n", "")


# --- check


def test_check_accepts_the_content(assistant: Assistant) -> None:
    output = run("check").stdout
    assert re.fullmatch(rf"{len(assistant.scenarios)} scenarios, \d+ code blocks, 0 finding\(s\)\n", output)


def test_check_names_file_line_and_remedy_of_every_finding(corpus_folder: Path) -> None:
    tags = scenario_path(corpus_folder, 1)
    tags.write_text(scenario_text(1, tags="tags: [one]"))
    sections = scenario_path(corpus_folder, 11)
    sections.write_text(scenario_text(11).replace("## Watch out", "## Beware"))
    done = run("check", status=1, SCENARIOS_CONTENT_DIR=str(corpus_folder))
    *findings, summary = done.stdout.splitlines()
    assert summary.endswith("2 finding(s)")
    line = [text[:4] for text in tags.read_text().splitlines()].index("tags") + 1
    assert any(text.startswith(f"{tags}:{line}: 'tags'") for text in findings), findings
    line = sections.read_text().splitlines().index("## Beware") + 1
    assert any(text.startswith(f"{sections}:{line}: sections are") for text in findings), findings
    assert done.stderr == ""


def test_check_index_lists_what_another_scenario_would_win(
    settings: Settings, assistant: Assistant, tmp_path: Path
) -> None:
    content = tmp_path / "content"
    subprocess.run(["cp", "-r", settings.content_dir, content], check=True)
    thief, owner = list(assistant.scenarios.values())[:2]
    path = next(content.glob(f"*/{owner.id:03d}-*.md"))
    # The other's own title, as a way in which this one is asked for: its embedding is known already.
    path.write_text(path.read_text().replace("asked_as:\n", f'asked_as:\n  - "{thief.title}"\n', 1))
    *rows, summary = run("check", "--index", SCENARIOS_CONTENT_DIR=str(content)).stdout.splitlines()[1:]
    assert f"{owner.id} asked_as -> {thief.id}: {thief.title}" in rows
    assert summary == f"{len(rows)} text(s) rank another scenario first"
    assert all(re.match(r"\d+ (asked_as|problem) -> \d+: \S", row) for row in rows)


# --- build, serve


def test_build_does_nothing_when_the_index_is_current(settings: Settings, assistant: Assistant) -> None:
    before = (settings.index_dir / CURRENT).readlink()
    done = run("build")
    expected = f"index {before} was already up to date: {len(assistant.scenarios)} scenarios\n"
    assert (done.stdout, done.stderr) == ("", expected)
    assert (settings.index_dir / CURRENT).readlink() == before


def test_build_refuses_broken_content_and_lists_why(corpus_folder: Path, tmp_path: Path) -> None:
    path = scenario_path(corpus_folder, 1)
    path.write_text(scenario_text(1, tags="tags: [one]"))
    done = run(
        "build",
        status=1,
        SCENARIOS_CONTENT_DIR=str(corpus_folder),
        SCENARIOS_INDEX_DIR=str(tmp_path / "index"),
    )
    assert done.stderr.startswith(f"Content error: 1 finding(s) in {corpus_folder}:\n{path}:")
    assert not (tmp_path / "index" / CURRENT).exists()


@pytest.mark.parametrize("options", [[], ["--workers", "2"]])
def test_serve_refuses_to_start_without_an_index(tmp_path: Path, options: list[str]) -> None:
    message = refused("serve", "--port", "0", *options, SCENARIOS_INDEX_DIR=str(tmp_path))
    assert message == f"Index missing: no index at {tmp_path / CURRENT}; run scripts/build_index"


# --- errors


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["show", "999999"], {}, "Scenario not found: no scenario has the id 999999; see the list of all scenarios"),
        (["ask", "--category", "cooking", "q"], {}, "Unknown category: unknown category 'cooking'; one of: api-design"),
        (["list"], {"SCENARIOS_FOO": "1"}, "Settings invalid: unknown SCENARIOS_FOO; known: SCENARIOS_ACCEPTED_REF"),
        (["list"], {"SCENARIOS_ENCODER_THREADS": "many"}, "Settings invalid: SCENARIOS_ENCODER_THREADS='many': Input"),
        (["list"], {"SCENARIOS_INDEX_DIR": "/nonexistent"}, "Index missing: no index at /nonexistent/current; run "),
        (["check"], {"SCENARIOS_CONTENT_DIR": "/nonexistent"}, "Content error: /nonexistent/categories.yaml does not"),
        (["build"], {"SCENARIOS_MODEL": str(PROJECT / "tests")}, "Embedding model unusable: "),
        (["build"], {"SCENARIOS_INDEX_DIR": f"{__file__}/index"}, "System error: [Errno 20] Not a directory: "),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_an_error_is_one_line(arguments: list[str], variables: dict[str, str], message: str) -> None:
    assert refused(*arguments, **variables).startswith(message)


@pytest.mark.parametrize("arguments", [["show", "two"], ["bake"]])
def test_a_mistyped_command_says_how_it_is_used(arguments: list[str]) -> None:
    errors = run(*arguments, status=2).stderr
    assert "Usage: " in errors
    assert "--help" in errors


def test_help_names_every_command() -> None:
    output = run("--help").stdout
    for command in ("ask", "show", "list", "check", "build", "serve"):
        assert re.search(rf"\b{command}\b", output)
    assert "'-' reads one a line from standard input" in " ".join(
        run("ask", "--help").stdout.replace("│", " ").split()
    )
