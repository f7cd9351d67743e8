"""Ctrl-C on a terminal ends `make run` with the gateway's own status."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAYS_READY_AND_LEAVES_CLEANLY = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print("ready", flush=True)
signal.pause()
"""

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="needs make"),
    # From Python 3.12 on, should a thread of another test still be there: the child execs at once.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def run_under_make(directory: Path, program: str) -> tuple[int, int]:
    """Start make on a terminal of its own; return its pid and the terminal's other end."""
    (directory / "program.py").write_text(program)
    python, foreground = sys.executable, ROOT / "tools" / "foreground.py"
    recipe = f"run:\n\t@{python} {foreground} {python} program.py\n"
    (directory / "Makefile").write_text(recipe)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execvp("make", ["make", "run"])
    return pid, terminal


def read_until(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 1024)


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_ctrl_c_reaches_the_command_and_make_reports_its_status(tmp_path: Path) -> None:
    pid, terminal = run_under_make(tmp_path, SAYS_READY_AND_LEAVES_CLEANLY)
    read_until(terminal, b"ready")
    os.write(terminal, b"\x03")
    assert status_of(pid) == 0
    os.close(terminal)


def test_a_command_that_fails_makes_make_fail(tmp_path: Path) -> None:
    pid, terminal = run_under_make(tmp_path, "raise SystemExit(3)")
    assert status_of(pid) == 2  # what make says when a recipe failed
    os.close(terminal)


def test_terminating_make_terminates_the_command(tmp_path: Path) -> None:
    program = SAYS_READY_AND_LEAVES_CLEANLY.replace("SIGINT", "SIGTERM").replace(
        "sys.exit(0)", "(print('terminated', flush=True), sys.exit(0))"
    )
    pid, terminal = run_under_make(tmp_path, program)
    read_until(terminal, b"ready")
    os.kill(pid, signal.SIGTERM)
    read_until(terminal, b"terminated")
    assert status_of(pid) != 0
    os.close(terminal)
