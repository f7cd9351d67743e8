"""Keepline as a process: what its log says, what it answers, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import IO

KEEPLINE = [sys.executable, "-m", "keepline"]
PORTS = ["--port", "0", "--admin-port", "0"]
TOKEN = "a-token-of-the-process-tests"
GIVE_UP_AFTER_S = 30

Start = Callable[..., "subprocess.Popen[str]"]


def read_until(stream: IO[str] | None, event: str) -> dict[str, object]:
    """Read log lines up to the first of `event`, and return that one."""
    assert stream is not None
    for text in stream:
        line: dict[str, object] = json.loads(text)
        if line["event"] == event:
            return line
    raise AssertionError(f"the log ended without {event}")


def get(port: object, path: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=GIVE_UP_AFTER_S) as answer:
        return answer.status, answer.read()


def ends(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, complaints = process.communicate(timeout=GIVE_UP_AFTER_S)
    return process.returncode, output, complaints
