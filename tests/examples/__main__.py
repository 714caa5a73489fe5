"""`scripts/try_example ID`: run one answer's code at once, whatever state the others are in."""

# ruff: noqa: T201 - a command talks on the terminal

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.examples.environments import ENVIRONMENTS, EnvironmentUnavailable
from tests.examples.example import Example, find_example
from tests.examples.layout import LayoutError
from tests.examples.run import run_example


def main() -> int:
    """Run the example on each Django and print what happened; 1 if anything is wrong."""
    arguments = _arguments()
    try:
        example = find_example(arguments.id)
    except LookupError as error:
        print(error)
        return 1
    for finding in example.findings:
        if "unknown category" not in finding.message:
            print(f"note: {finding}")
    results = [_run(example, django, arguments) for django in arguments.django or ENVIRONMENTS]
    return int(not all(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/try_example", description=main.__doc__)
    parser.add_argument("id", type=int, help="id of the scenario")
    parser.add_argument("--django", choices=list(ENVIRONMENTS), action="append", help="on this one only")
    parser.add_argument("-k", metavar="EXPRESSION", help="these tests only; what ran is then not measured")
    parser.add_argument("--keep", action="store_true", help="keep the project and say where it lies")
    return parser.parse_args()


def _run(example: Example, django: str, arguments: argparse.Namespace) -> bool:
    print(f"── Django {django} ──", flush=True)
    options = ("-k", arguments.k) if arguments.k else ()
    folder = Path(tempfile.mkdtemp(prefix="example-"))
    try:
        result = run_example(example, django, folder, options=options)
    except (LayoutError, EnvironmentUnavailable) as error:
        print(error)
        return False
    finally:
        if arguments.keep:
            print(f"kept: {folder}/project")
        else:
            shutil.rmtree(folder)
    print(result.output, *result.missing, sep="\n")
    return result.passed and not result.missing


if __name__ == "__main__":
    sys.exit(main())
