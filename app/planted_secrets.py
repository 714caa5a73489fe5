"""Made-up secrets of realistic shape for the placeholders in labelled questions.

They are put together when they are needed, so no file holds one.
"""

from __future__ import annotations

import base64
import json
import re
import string
from collections.abc import Callable

import numpy as np

SEED = 0
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
UPPER = string.ascii_uppercase + string.digits
MIXED = string.ascii_letters + string.digits


def _characters(alphabet: str, count: int, rng: np.random.Generator) -> str:
    return "".join(rng.choice(list(alphabet), count))


def _jwt(rng: np.random.Generator) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"user_id": int(rng.integers(10_000)), "exp": 1_900_000_000}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, _characters(MIXED + "-_", 43, rng)])


MAKERS: dict[str, Callable[[np.random.Generator], str]] = {
    "aws_key_id": lambda rng: "AKIA" + _characters(UPPER, 16, rng),
    "aws_secret_key": lambda rng: _characters(MIXED + "/+", 40, rng),
    "jwt": _jwt,
    "api_key": lambda rng: "frl_live_" + _characters(MIXED, 24, rng),
    "slack_bot_token": lambda rng: "-".join(
        ["xoxb", _characters(string.digits, 12, rng), _characters(string.digits, 12, rng), _characters(MIXED, 24, rng)]
    ),
}  # fmt: skip


def fill(text: str) -> str:
    """`text` with every `{{name}}` of MAKERS replaced by a secret, the same one each time."""
    return PLACEHOLDER.sub(_secret, text)


def _secret(placeholder: re.Match[str]) -> str:
    name = placeholder[1]
    return MAKERS[name](np.random.default_rng(SEED)) if name in MAKERS else placeholder[0]
