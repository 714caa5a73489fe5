"""Scenario 94: editors with other opinions format the same file; the files of the answer settle it."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

PROJECT = Path(settings.BASE_DIR)
FILES = ("pyproject.toml", ".pre-commit-config.yaml", ".editorconfig", ".vscode/settings.json")
PIN = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["ruff"]["required-version"]

BOBS = """\
import sys
import os
from shop import models

def names( orders ):
    return [ o.name for o in orders if o.status == 'open' and o.total > models.LIMIT and o.owner is not None ], os.sep, sys
"""
FORMATTED = """\
import os
import sys

from shop import models


def names(orders):
    return (
        [
            o.name
            for o in orders
            if o.status == "open" and o.total > models.LIMIT and o.owner is not None
        ],
        os.sep,
        sys,
    )
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A new clone with the files of the answer, for the Ruff that is installed here."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Ada")
        monkeypatch.setenv(f"{name}_EMAIL", "ada@example.org")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in FILES:
        Path(name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, name)
    configure(PIN.removeprefix("=="), run("ruff", "--version").split()[1])
    Path(".gitignore").write_text(".cache\n.ruff_cache\n")
    run("git", "init", "-q")
    run("git", "add", ".")
    run("git", "commit", "-qm", "Agree on a style")
    return tmp_path


def configure(old, new):
    file = Path("pyproject.toml")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def run(*command, fails=False):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert bool(done.returncode) is fails, output
    return output


def formatted(code, *options):
    command = ["ruff", "format", "--quiet", "--stdin-filename=x.py", *options, "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True, check=True).stdout


class TestOneTool:
    def test_lints_sorts_imports_and_formats(self, repository):
        Path("bob.py").write_text(BOBS)
        run("ruff", "check", "--fix")
        run("ruff", "format")
        assert Path("bob.py").read_text() == FORMATTED
        run("ruff", "check")
        run("ruff", "format", "--check")
        Path("bob.py").write_text(FORMATTED + "\n\nundefined\n")
        assert "F821" in run("ruff", "check", fails=True)

    def test_the_formatter_alone_does_not_sort_imports(self, repository):
        assert formatted("import sys\nimport os\n") == "import sys\nimport os\n"

    def test_is_pinned_and_installed_in_the_same_version(self):
        group = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
        assert f"ruff{PIN}" in group

    def test_another_version_refuses_to_run(self, repository):
        configure('required-version = "==', 'required-version = "==0.1.')
        assert "does not match the running version" in run("ruff", "format", fails=True)

    def test_the_format_options_of_the_answer_but_the_line_ending_are_the_defaults(self, repository):
        code = "x = ['a', \"b\"]\ny = [\n    1,\n]\n"
        assert formatted(code) == formatted(code, "--isolated")

    def test_a_last_comma_keeps_the_lines_and_without_it_they_are_joined(self, repository):
        assert formatted("x = [\n    1,\n    2,\n]\n") == "x = [\n    1,\n    2,\n]\n"
        assert formatted("x = [\n    1,\n    2\n]\n") == "x = [1, 2]\n"

    def test_an_aligned_table_is_left_alone_when_marked(self, repository):
        table = "x = [1,   20,\n     300, 4]  # fmt: skip\n"
        assert formatted(table) == table
        assert formatted(table.replace("  # fmt: skip", "")) != table


class TestEditors:
    OWN = {"format": {"quote-style": "single"}}

    def test_a_personal_setting_wins_by_default(self, repository):
        assert saved_in_editor("x = 'a'  ;\n", {"configuration": self.OWN}) == "x = 'a'\n"

    def test_the_file_wins_with_the_setting_of_the_answer(self, repository):
        assert saved_in_editor("x = 'a'\n", {"configuration": self.OWN, **committed()}) == 'x = "a"\n'

    def test_but_only_for_options_that_it_names(self, repository):
        configure('quote-style = "double"', "")
        assert saved_in_editor("x = 'a'  ;\n", {"configuration": self.OWN, **committed()}) == "x = 'a'\n"

    def test_the_editor_and_the_command_line_agree(self, repository):
        assert saved_in_editor(BOBS, committed()) == formatted(BOBS)

    def test_two_formatters_undo_each_other(self, repository):
        mine = formatted(BOBS)
        his = formatted(mine, "--config", "format.quote-style='single'")
        assert his != mine
        assert formatted(his) == mine


def committed():
    """The Ruff settings of the answer, under the names that the extension passes on to the server."""
    found = json.loads(Path(".vscode/settings.json").read_text())
    return {key.removeprefix("ruff."): value for key, value in found.items() if key.startswith("ruff.")}


def saved_in_editor(code, options):
    """The code as the language server of Ruff returns it to an editor with these settings."""
    uri = Path.cwd().as_uri()
    document = {"uri": f"{uri}/new.py", "languageId": "python", "version": 1, "text": code}
    with subprocess.Popen(
        ["ruff", "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:

        def send(method, params=None, number=None):
            message = {"jsonrpc": "2.0", "method": method, "params": params}
            if number:
                message["id"] = number
            body = json.dumps(message).encode()
            server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            server.stdin.flush()

        def answer(number):
            while True:
                header = server.stdout.readline()
                assert header, "the server has gone"
                while (line := server.stdout.readline()) != b"\r\n":
                    header += line
                length = int(re.search(rb"content-length: (\d+)", header, re.IGNORECASE)[1])
                message = json.loads(server.stdout.read(length))
                if message.get("id") == number and "method" not in message:
                    return message["result"]

        send(
            "initialize",
            {
                "processId": None,
                "rootUri": uri,
                "capabilities": {},
                "workspaceFolders": [{"uri": uri, "name": "project"}],
                "initializationOptions": {"settings": options},
            },
            1,
        )
        answer(1)
        send("initialized", {})
        send("textDocument/didOpen", {"textDocument": document})
        layout = {"tabSize": 4, "insertSpaces": True}
        send("textDocument/formatting", {"textDocument": {"uri": document["uri"]}, "options": layout}, 2)
        edits = answer(2)
        send("shutdown", number=3)
        answer(3)
        send("exit")
    return applied(code, edits)


def applied(code, edits):
    lines = code.splitlines(keepends=True)
    for edit in reversed(edits or []):
        start, end = edit["range"]["start"], edit["range"]["end"]
        before = "".join(lines[: start["line"]]) + "".join(lines[start["line"] :])[: start["character"]]
        after = "".join(lines[end["line"] :])[end["character"] :]
        lines = (before + edit["newText"] + after).splitlines(keepends=True)
    return "".join(lines)


class TestTheHook:
    def test_formats_stops_and_lets_the_second_commit_pass(self, repository):
        run("pre-commit", "validate-config")
        run("pre-commit", "install")
        Path("bob.py").write_text(BOBS)
        run("git", "add", "bob.py")
        assert "files were modified by this hook" in run("git", "commit", "-qm", "Bob's", fails=True)
        assert Path("bob.py").read_text() == FORMATTED
        assert run("git", "show", ":bob.py") == BOBS  # staged by nobody
        run("git", "add", "bob.py")
        run("git", "commit", "-qm", "Bob's")
        assert run("git", "show", "HEAD:bob.py") == FORMATTED

    def test_a_fix_may_need_formatting_so_the_order_matters(self, repository):
        Path("bob.py").write_text("def f():\n    return 1\nimport os\n")
        run("ruff", "format")
        run("ruff", "check", "--fix", "--ignore=E402")
        assert "would be reformatted" in run("ruff", "format", "--check", fails=True)

    def test_a_commit_goes_past_it_but_not_past_ci(self, repository):
        run("pre-commit", "install")
        Path("bob.py").write_text(BOBS)
        run("git", "add", "bob.py")
        run("git", "commit", "-qm", "Bob's", "--no-verify")
        assert "I001" in run("ruff", "check", fails=True)
        run("ruff", "format", "--check", fails=True)

    def test_the_commands_of_the_switch_leave_nothing_for_the_hook(self, repository):
        Path("bob.py").write_text(BOBS)
        run("git", "add", "bob.py")
        run("git", "commit", "-qm", "Bob's")
        run("ruff", "check", "--select", "I", "--fix")
        run("ruff", "format")
        run("git", "commit", "-qam", "Format with ruff")
        assert "Failed" not in run("pre-commit", "run", "--all-files")
        run("git", "diff", "--exit-code")


class TestLayoutRules:
    def test_ruff_warns_of_a_rule_that_fights_the_formatter(self, repository):
        Path("x.py").write_text("x = 1\n")
        warned = run("ruff", "format", "--config", "lint.extend-select=['COM812']")
        assert "may cause conflicts when used with the formatter" in warned

    def test_the_formatter_breaks_no_long_string_or_comment(self, repository):
        Path("x.py").write_text(f'x = "{"a" * 100}"\n# {"b" * 100}\n')
        assert "left unchanged" in run("ruff", "format")
        assert run("ruff", "check", "--select=E501", "--output-format=concise", fails=True).count("E501") == 2


class TestLineEndings:
    def test_the_attribute_brings_lf_into_the_repository(self, repository):
        Path("page.html").write_bytes(b"<p>\r\n</p>\r\n")
        run("git", "add", "page.html")
        run("git", "commit", "-qm", "From Windows")
        assert b"\r" in blob("page.html")
        Path(".gitattributes").write_text("* text=auto eol=lf\n")
        run("git", "add", "--renormalize", ".")
        assert blob("page.html") == b"<p>\n</p>\n"

    def test_the_formatter_writes_lf_too(self, repository):
        Path("x.py").write_bytes(b"x = 1\r\ny = 2\r\n")
        run("ruff", "format")
        assert Path("x.py").read_bytes() == b"x = 1\ny = 2\n"


def blob(path):
    return subprocess.run(["git", "show", f":{path}"], capture_output=True, check=True).stdout
