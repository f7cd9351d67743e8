"""A process around another, by real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepline.app.workers import guardian

PATIENCE_S = 30.0
SAYS_WHO_IT_IS = (
    "import os, sys, time\n"
    "print(os.getpid(), flush=True)\n"
    "sys.stdin.read() if len(sys.argv) > 1 else time.sleep(600)"
)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def pipe() -> Iterator[tuple[int, list[int]]]:
    """Give the end that a guardian watches, and those that keep it there."""
    watched, held = os.pipe()
    ends = [held]
    yield watched, ends
    for each in (watched, *ends):
        os.close(each)


@pytest.fixture
def start(pipe: tuple[int, list[int]]) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def start(*command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(pipe[0]), *command],
            pass_fds=[pipe[0]],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def lives(pid: int) -> bool:
    """Whether it does anything yet: one whose parent has not looked is none."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return said.rpartition(")")[2].split()[0] != "Z"


def test_it_ends_as_the_other_does(start: Start) -> None:
    assert start(sys.executable, "-c", "raise SystemExit(3)").wait(PATIENCE_S) == 3


def test_the_other_ends_with_the_last_who_needs_it(
    start: Start, pipe: tuple[int, list[int]]
) -> None:
    process = start(sys.executable, "-c", SAYS_WHO_IT_IS)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert lives(pid)
    os.close(pipe[1].pop())
    assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert not lives(pid)


def test_a_signal_to_it_ends_both(start: Start) -> None:
    process = start(sys.executable, "-c", SAYS_WHO_IT_IS)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.terminate()
    process.wait(PATIENCE_S)
    assert not lives(pid)


def test_when_it_is_killed_itself_the_kernel_ends_the_other(start: Start) -> None:
    process = start(sys.executable, "-c", SAYS_WHO_IT_IS)
    assert process.stdout is not None
    assert lives(int(process.stdout.readline()))
    process.kill()
    process.wait(PATIENCE_S)
    assert process.stdout.read() == ""  # of which the other was the last writer
