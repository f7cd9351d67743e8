"""A short run of each fuzz target, as anybody would start it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[3] / "fuzz"
TARGETS = ["fuzz_frames.py", "fuzz_handshake.py", "fuzz_messages.py", "fuzz_proxy_header.py"]


def run(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FUZZ / target, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_breaks_nothing(target: str) -> None:
    result = run(target, "--seconds", "1", "--seed", "7")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_one_input_can_be_replayed(target: str) -> None:
    result = run(target, "--replay", "01000000")
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(find_spec("atheris") is not None, reason="atheris reports in its own way")
def test_a_broken_invariant_is_found_and_can_be_replayed(tmp_path: Path) -> None:
    script = tmp_path / "fuzz_nothing.py"
    script.write_text(
        "import engine\n"
        "def check(data):\n"
        "    assert b'!' not in data\n"
        "    return len(data)\n"
        "engine.main(check, [b'abc'], [b'!'])\n"
    )
    result = subprocess.run(
        [sys.executable, script, "--seconds", "60"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(FUZZ)},
    )
    assert result.returncode == 1
    _, _, found = result.stderr.splitlines()[0].partition("--replay ")
    assert b"!" in bytes.fromhex(found)
