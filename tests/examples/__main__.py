"""`scripts/try_example ID`: prove one answer's code at once, whatever state the others are in."""

# ruff: noqa: T201 - a command talks on the terminal

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from app.scenarios import CodeBlock
from tests.examples.environments import ENVIRONMENTS, InstallationFailed, PythonNotFound
from tests.examples.example import Example, find_example
from tests.examples.layout import LayoutError
from tests.examples.parsers import BlockRefused, check_block
from tests.examples.run import run_example
from tests.examples.servers import Servers, ServerUnavailable

REASONS = (LayoutError, PythonNotFound, InstallationFailed, ServerUnavailable)


def main() -> int:
    """Parse the blocks in other languages, run the example on each Django; 1 if anything is wrong."""
    arguments = _arguments()
    try:
        example = find_example(arguments.id)
    except LookupError as error:
        print(error)
        return 1
    print(*example.findings, sep="\n", end="\n" * bool(example.findings))
    parsed = [_parses(example, block) for block in example.blocks if block.language != "python"]
    servers = Servers()
    try:
        proven = [
            _run(example, django, servers, arguments)
            for django in arguments.django or ENVIRONMENTS
            if example.runs_on(django)
        ]
    finally:
        servers.close()
    print(
        f"{sum(parsed)} of {len(parsed)} other blocks parse, {sum(proven)} of {len(proven)} runs prove the code"
    )
    return int(bool(example.findings) or not all(parsed + proven))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/try_example", description=main.__doc__)
    parser.add_argument("id", type=int, help="id of the scenario")
    parser.add_argument("--django", choices=list(ENVIRONMENTS), action="append", help="on this one only")
    parser.add_argument("-k", metavar="EXPRESSION", help="these tests only; what ran is then not measured")
    parser.add_argument("--keep", action="store_true", help="keep the project and say where it lies")
    return parser.parse_args()


def _parses(example: Example, block: CodeBlock) -> bool:
    try:
        check_block(example, block)
    except (BlockRefused, ServerUnavailable) as error:
        print(error)
        return False
    return True


def _run(example: Example, django: str, servers: Servers, arguments: argparse.Namespace) -> bool:
    print(f"── Django {django} ──", flush=True)
    options = ("-k", arguments.k) if arguments.k else ()
    folder = Path(tempfile.mkdtemp(prefix="example-"))
    try:
        with servers.variables(example.needs()) as variables:
            result = run_example(example, django, folder, servers=variables, options=options)
    except REASONS as error:
        print(error)
        return False
    finally:
        if arguments.keep:
            print(f"kept: {folder}/project")
        else:
            shutil.rmtree(folder)
    print(result.report)
    return result.proven


if __name__ == "__main__":
    sys.exit(main())
