"""A real parser for every language but Python that a block may be written in."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import h11
import pglast
import yaml

from app.scenarios import CodeBlock
from tests.examples.example import Example
from tests.examples.servers import find_program

PROGRAMS = Path(sys.executable).parent
# systemd allows a key to come twice, which is an error in an .ini file.
UNIT_SUFFIXES = {".service", ".socket", ".timer"}
# Debian's archive keeps no old versions: a version pinned in apt-get install breaks the next build.
HADOLINT_IGNORED = "DL3008"
# Whoever reads an env file uses its variables elsewhere.
SHELLCHECK_UNUSED_VARIABLE = "SC2034"
# nginx looks up the hosts of its upstreams when it reads them, and they exist only where it will run.
NGINX_UPSTREAM = re.compile(r"(\bserver\s+)[a-z][\w.-]*(?=:\d+\b)")
# Folders it makes for itself; the compiled-in ones belong to root.
NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class BlockRefused(Exception):
    """A block is not what its language says; the message is the parser's."""


def check_block(example: Example, block: CodeBlock) -> None:
    """BlockRefused, naming file and line, unless the block parses; Python is not parsed but run."""
    parse = PARSERS.get(block.language)
    if parse is None:
        known = ", ".join(sorted(PARSERS))
        raise BlockRefused(f"{example.where(block)}: no parser for this language; use python or {known}")
    try:
        parse(block)
    except (ValueError, configparser.Error, yaml.YAMLError, pglast.Error, h11.ProtocolError) as error:
        raise BlockRefused(f"{example.where(block)}: {error}") from error


def parse_json(block: CodeBlock) -> None:
    json.loads(block.code)


def parse_yaml(block: CodeBlock) -> None:
    if not any(document is not None for document in yaml.safe_load_all(block.code)):
        raise ValueError("holds no document")


def parse_toml(block: CodeBlock) -> None:
    tomllib.loads(block.code)


def parse_ini(block: CodeBlock) -> None:
    strict = PurePosixPath(block.title).suffix not in UNIT_SUFFIXES
    configparser.ConfigParser(interpolation=None, strict=strict).read_string(block.code)


def parse_sql(block: CodeBlock) -> None:
    if not pglast.parse_sql(block.code):
        raise ValueError("holds no statement")


def parse_shell(block: CodeBlock) -> None:
    """A terminal session is bash; a script says in its first line what it is."""
    options = [] if block.code.startswith("#!") else ["--shell=bash"]
    if PurePosixPath(block.title).name.startswith(".env"):
        options.append(f"--exclude={SHELLCHECK_UNUSED_VARIABLE}")
    _lint(["shellcheck", "--norc", "--format=gcc", *options, "-"], block.code)


def parse_dockerfile(block: CodeBlock) -> None:
    _lint(["hadolint", "--no-color", f"--ignore={HADOLINT_IGNORED}", "-"], block.code)


def _lint(command: list[str], code: str) -> None:
    """Hand `code` to a linter of this environment; ValueError with its findings, if any."""
    program = str(PROGRAMS / command[0])
    done = subprocess.run([program, *command[1:]], input=code, capture_output=True, text=True, check=False)
    if done.returncode or done.stdout.strip():
        raise ValueError((done.stdout + done.stderr).strip())


def parse_nginx(block: CodeBlock) -> None:
    """A file of conf.d, read by the real nginx; ServerUnavailable if there is none."""
    nginx = find_program("nginx", "nginx")
    code = NGINX_UPSTREAM.sub(r"\g<1>127.0.0.1", block.code)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "nginx.conf")
        paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in NGINX_FOLDERS)
        # All on the first line, so that nginx counts the lines as the block does.
        text = f"pid {folder}/pid; events {{}} http {{ access_log off; {paths} {code}\n}}\n"
        file.write_text(text, encoding="utf-8")
        command = [nginx, "-t", "-q", "-p", folder, "-e", "stderr", "-c", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        raise ValueError(done.stderr.replace(str(file), block.title).strip())


def parse_http(block: CodeBlock) -> None:
    """One request or response. The length of a body need not be given, but if it is, it is right."""
    head, _, body = block.code.strip("\n").partition("\n\n")
    message = _read_head(head)
    headers = {name.decode(): value.decode() for name, value in message.headers}
    length = headers.get("content-length")
    if body and length is not None and int(length) != len(body.encode()):
        raise ValueError(f"Content-Length is {length}, the body has {len(body.encode())} bytes")
    if body and "json" in headers.get("content-type", ""):
        json.loads(body)


def _read_head(head: str) -> h11.Request | h11.Response | h11.InformationalResponse:
    is_response = head.startswith("HTTP/")
    connection = h11.Connection(h11.CLIENT if is_response else h11.SERVER)
    if is_response:  # h11 takes a response only for a request it has sent
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "shop.example")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    event = connection.next_event()
    if isinstance(event, h11.Request | h11.Response | h11.InformationalResponse):
        return event
    raise ValueError("no HTTP request or response")


PARSERS: dict[str, Callable[[CodeBlock], None]] = {
    "dockerfile": parse_dockerfile,
    "http": parse_http,
    "ini": parse_ini,
    "json": parse_json,
    "nginx": parse_nginx,
    "shell": parse_shell,
    "sql": parse_sql,
    "toml": parse_toml,
    "yaml": parse_yaml,
}
