"""The image's steps, run without Docker: installed, built and serving in a clean folder."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.settings import PROJECT


# Embedding all texts anew takes minutes on two cores, and other tests run beside it.
@pytest.mark.timeout(2400)
def test_the_dockerfile_builds_an_image_that_answers_as_a_user_and_without_torch() -> None:
    run = subprocess.run(
        [sys.executable, "scripts/run_dockerfile"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "healthy, and it answers" in run.stdout
