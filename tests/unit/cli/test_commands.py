"""What every command line has."""

from __future__ import annotations

import subprocess
import sys

import pytest

import keepline
from tests.unit.cli.command_line import typed


@pytest.mark.parametrize("asked", ["version", "--version"])
def test_the_version_is_printed_either_way(asked: str) -> None:
    assert typed(asked) == (0, f"{keepline.__version__}\n", "")


def test_the_package_runs_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "keepline", "version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == keepline.__version__


def test_a_small_command_does_not_wait_for_the_gateway() -> None:
    code = (
        "import sys; import keepline.cli.commands;"
        "print({'keepline.app', 'fastapi', 'uvicorn'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_no_command_at_all_shows_what_there_is() -> None:
    _, shown, complaint = typed()
    assert "serve" in shown + complaint
