"""Python imports this by itself when the folder is on PYTHONPATH: then there is no build half and no network.

What is tried nevertheless fails, and is written to the file that ATTEMPTS names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

BUILD_HALF = {"torch", "sentence_transformers", "transformers", "onnx", "onnxscript"}
LOCAL = {None, "", "127.0.0.1", "::1", "localhost", b"127.0.0.1", b"localhost"}


def note(attempt: str) -> None:
    with Path(os.environ["ATTEMPTS"]).open("a", encoding="utf-8") as file:
        file.write(attempt + "\n")


class NoBuildHalf:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in BUILD_HALF:
            note(f"import {name}")
            raise ModuleNotFoundError(f"{name} is not there, for the test", name=name)
        return None


def no_network(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: libraries written in C cannot go around it as long as they use Python's sockets."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    else:
        return
    if host not in LOCAL:
        note(f"{event} {host!r}")
        raise OSError(f"{event} to {host!r} is not possible, for the test")


sys.meta_path.insert(0, NoBuildHalf())  # type: ignore[arg-type]
sys.addaudithook(no_network)
