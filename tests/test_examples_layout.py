"""Where the blocks of an example go, and that one without a place is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.example import find_example
from tests.examples.layout import LayoutError, lay_out
from tests.examples.written import write_example

BLOCK = '```python title="shop/views.py"\n```'


@pytest.mark.parametrize(
    ("block", "context", "message"),
    [
        (BLOCK, {"shop/views.py": ""}, "would overwrite the context file"),
        ('```python title="../views.py"\n```', {}, "no relative file path"),
        ('```python title="/srv/views.py"\n```', {}, "no relative file path"),
        ('```python title="terminal"\n```', {}, "a Python file's name ends with .py"),
    ],
)
def test_a_block_that_has_no_place_in_the_project_is_an_error_with_its_line(
    tmp_path: Path, block: str, context: dict[str, str], message: str
) -> None:
    with pytest.raises(LayoutError, match=rf"007-demo-shop\.md:1: .*{message}"):
        lay_out(write_example(tmp_path, block, "", context), "5.2", tmp_path / "project")


def test_an_example_is_found_while_the_files_of_others_are_broken(tmp_path: Path) -> None:
    path = write_example(tmp_path, BLOCK).path
    path.with_name("008-half-written.md").write_bytes(b"---\nid: 8\n\xff```python")
    assert [block.title for block in find_example(7, path.parents[1]).blocks] == ["shop/views.py"]
    with pytest.raises(LookupError, match=r"no scenario 9: no file .*009-\*\.md"):
        find_example(9, path.parents[1])


def test_python_blocks_without_a_test_module_are_an_error(tmp_path: Path) -> None:
    example = write_example(tmp_path, BLOCK)
    example.test_module.unlink()
    with pytest.raises(LayoutError, match=r"nothing tests them; write .*test_007_demo_shop\.py"):
        lay_out(example, "5.2", tmp_path / "project")
