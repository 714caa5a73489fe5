"""Blocks in other languages than Python are parsed for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.scenarios import CodeBlock
from tests.conftest import lacking_is_failing_in_ci
from tests.examples.example import Example
from tests.examples.parsers import PARSERS, BlockRefused, check_block

JSON_REQUEST = """\
POST /orders/ HTTP/1.1
Host: shop.example
Content-Type: application/json

{"item": 7}
"""
UNPINNED = """\
FROM debian:13
RUN apt-get update \\
    && apt-get install -y --no-install-recommends nginx \\
    && rm -rf /var/lib/apt/lists/*
"""
NGINX = """\
upstream orders {
    server orders:8000;
}
server {
    listen 8080;
    location /api/orders/ {
        proxy_pass http://orders;
    }
}
"""
GOOD = [
    ("dockerfile", "Dockerfile", "FROM python:3.13-slim\nUSER 1000\n"),
    ("dockerfile", "Dockerfile", UNPINNED),
    ("http", "request", JSON_REQUEST),
    ("http", "response", 'HTTP/1.1 304 Not Modified\nETag: "7"\n'),
    ("ini", "tox.ini", "[pytest]\naddopts = -q %(nothing)s\n"),
    ("ini", "deploy/web.service", "[Service]\nEnvironment=A=1\nEnvironment=B=2\n"),
    ("json", "order.json", '{"id": 7}'),
    ("nginx", "gateway.conf", NGINX),
    ("shell", "terminal", "python manage.py migrate --plan\n"),
    ("shell", "scripts/wait", '#!/bin/sh\nexec "$@"\n'),
    ("shell", ".env", "DEBUG=1\n"),
    ("sql", "terminal", "CREATE INDEX CONCURRENTLY ON shop_order (placed_at DESC) INCLUDE (total);"),
    ("toml", "pyproject.toml", "[project]\nname = 'shop'\n"),
    ("yaml", "k8s/shop.yaml", "kind: Service\n---\nkind: Deployment\n"),
]
BROKEN = [
    ("dockerfile", "Dockerfile", "FORM python:3.13-slim\n", "expecting"),
    ("dockerfile", "Dockerfile", "FROM python:latest\n", "DL3007"),
    ("http", "request", "POST /orders/ HTTP/1.1\nAccept application/json\n", "illegal header line"),
    ("http", "request", "GET /orders/ HTTP/1.1\nAccept: text/xml\n", "Host"),
    ("http", "request", JSON_REQUEST.replace("7}", "7"), "delimiter"),
    ("http", "request", JSON_REQUEST.replace("\n\n", "\nContent-Length: 99\n\n"), "the body has 11 bytes"),
    ("http", "response", "200 OK\n", "illegal request line"),
    ("ini", "tox.ini", "addopts = -q\n", "no section headers"),
    ("ini", "tox.ini", "[a]\nb = 1\nb = 2\n", "already exists"),
    ("json", "order.json", "{'id': 7}", "double quotes"),
    ("nginx", "gateway.conf", NGINX.replace("8080;", "8080"), 'not terminated by ";" in gateway.conf:6'),
    ("nginx", "gateway.conf", NGINX.replace("proxy_pass", "proxy_past"), "gateway.conf:7"),
    ("nginx", "gateway.conf", f"{NGINX}{NGINX[NGINX.index('server {') :]}", "conflicting server name"),
    ("shell", "terminal", "echo $name\n", "SC2154"),
    ("shell", "terminal", "if true; then\n", "SC10"),
    ("sql", "terminal", "SELEC 1;", "syntax error"),
    ("sql", "terminal", "-- nothing but a comment", "no statement"),
    ("toml", "pyproject.toml", "[project\n", "Expected"),
    ("yaml", "k8s/shop.yaml", "kind: [Service\n", "expected"),
    ("yaml", "k8s/shop.yaml", "# nothing\n", "no document"),
    ("mermaid", "shop.mmd", "graph TD\n", "no parser for this language; use python or dockerfile, http"),
]


def check(language: str, title: str, code: str) -> None:
    block = CodeBlock(language, title, code, line=12)
    with lacking_is_failing_in_ci():
        check_block(Example(7, "demo", Path("007-demo.md"), (block,)), block)


@pytest.mark.parametrize(("language", "title", "code"), GOOD)
def test_a_sound_block_parses(language: str, title: str, code: str) -> None:
    check(language, title, code)


@pytest.mark.parametrize(("language", "title", "code", "message"), BROKEN)
def test_a_broken_block_is_refused_with_its_line_and_the_parsers_message(
    language: str, title: str, code: str, message: str
) -> None:
    with pytest.raises(BlockRefused) as refused:
        check(language, title, code)
    assert str(refused.value).startswith(f"007-demo.md:12: {language} block '{title}': ")
    assert message in str(refused.value)


def test_every_language_with_a_parser_is_tested_here_sound_and_broken() -> None:
    assert {language for language, *_ in GOOD} == PARSERS.keys()
    assert {language for language, *_ in BROKEN} >= PARSERS.keys()
