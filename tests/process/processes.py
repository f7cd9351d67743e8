"""Keepline as a process: what its log says, what it answers, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from websockets.sync.client import ClientConnection, connect

KEEPLINE = [sys.executable, "-m", "keepline"]
PORTS = ["--port", "0", "--admin-port", "0"]
TOKEN = "a-token-of-the-process-tests"
GIVE_UP_AFTER_S = 60  # on a machine that has other things to do

Start = Callable[..., "subprocess.Popen[str]"]


def read_until(stream: IO[str] | None, event: str) -> dict[str, object]:
    """Read log lines up to the first of `event`, and return that one."""
    assert stream is not None
    for text in stream:
        try:
            line: dict[str, object] = json.loads(text)
        except ValueError:
            dies = text.startswith("Traceback")  # before it had a log
            raise AssertionError(text + stream.read() if dies else text) from None
        if line["event"] == event:
            return line
    raise AssertionError(f"the log ended without {event}")


def whole_lines(file: Path) -> list[str]:
    """Return the lines of a file that others write: the last may not be whole yet."""
    return [line.decode() for line in file.read_bytes().split(b"\n")[:-1]] if file.exists() else []


def get(port: object, path: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=GIVE_UP_AFTER_S) as answer:
        return answer.status, answer.read()


def ends(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, complaints = process.communicate(timeout=GIVE_UP_AFTER_S)
    return process.returncode, output, complaints


@contextmanager
def device(
    port: object, device_id: str = "02:00:00:00:00:01", **options: Any
) -> Iterator[ClientConnection]:
    """Give a device whose hello was answered; `options` are those of its client."""
    with connect(
        f"ws://127.0.0.1:{port}/xiaozhi/v1/",
        additional_headers={"Authorization": f"Bearer {TOKEN}", "Device-Id": device_id},
        compression=None,
        proxy=None,
        close_timeout=0.1,
        **options,
    ) as connection:
        connection.send('{"type":"hello","version":1,"transport":"websocket"}')
        assert json.loads(connection.recv(GIVE_UP_AFTER_S))["type"] == "hello"
        yield connection
