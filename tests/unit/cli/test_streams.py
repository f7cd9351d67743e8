"""Descriptors that are closed at the start are opened to nowhere, the others left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
for number in map(int, sys.argv[1:]):
    os.close(number)
from keepline.cli.streams import hold_standard_streams
hold_standard_streams()
null = os.stat(os.devnull)
held = [number for number in (0, 1, 2) if os.path.sameopenfile(number, os.open(os.devnull, 0))]
os.write(9, " ".join(map(str, held)).encode())
"""


@pytest.mark.parametrize("closed", [[], [0], [1], [2], [0, 2], [0, 1, 2]])
def test_what_is_closed_is_opened_to_nowhere_and_nothing_else(closed: list[int]) -> None:
    command = [sys.executable, "-c", PROGRAM, *map(str, closed)]
    shell = ["sh", "-c", 'exec "$@" 9>&1', "sh", *command]  # where what is held is told
    ended = subprocess.run(shell, input=b"", check=True, capture_output=True)
    assert ended.stdout.decode().split() == list(map(str, closed))
