"""`serve --reload`: the code changes, the socket stays."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, read_until

SAYS = """
from keepline import Handler
from keepline.messages import Stt


class Assistant(Handler):
    def opened(self, session):
        session.send(Stt({words!r}))
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    path = tmp_path / "assistant.py"
    path.write_text(SAYS.format(words="one"))
    return path


@pytest.fixture
def serving(application: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*KEEPLINE, "serve", "--reload", "assistant:Assistant", *PORTS],
        stderr=subprocess.PIPE,
        text=True,
        cwd=application.parent,
    )
    yield process
    if process.poll() is None:  # both, while there are two
        process.terminate()
        process.wait(GIVE_UP_AFTER_S)
    assert process.stderr is not None
    process.stderr.close()


def events(stream: IO[str] | None) -> Iterator[str]:
    """Yield the log's lines and the notes between them."""
    assert stream is not None
    return iter(stream.readline, "")


def until(stream: IO[str] | None, words: str) -> str:
    for line in events(stream):
        if words in line:
            return line
    raise AssertionError(f"it ended without {words}")


def started(process: subprocess.Popen[str]) -> int:
    port = json.loads(until(process.stderr, '"started"'))["port"]
    assert isinstance(port, int)
    return port


def heard(port: int) -> str:
    """Be a device, and return what it is told first."""
    with device(port) as connection:
        connection.send('{"type":"hello"}')
        connection.recv(timeout=GIVE_UP_AFTER_S)
        words = json.loads(connection.recv(timeout=GIVE_UP_AFTER_S))["text"]
    assert isinstance(words, str)
    return words


def device(port: int) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{port}/xiaozhi/v1/",
        additional_headers={"Device-Id": "one"},
        proxy=None,
        open_timeout=GIVE_UP_AFTER_S,
        close_timeout=0,
    )


def test_changed_code_is_served_on_the_same_port(
    serving: subprocess.Popen[str], application: Path
) -> None:
    port = started(serving)
    assert heard(port) == "one"
    application.write_text(SAYS.format(words="two"))
    assert "assistant.py changed" in until(serving.stderr, "reload:")
    assert started(serving) == port
    assert heard(port) == "two"


def test_nobody_who_connects_meanwhile_is_refused(
    serving: subprocess.Popen[str], application: Path
) -> None:
    port = started(serving)
    application.write_text(SAYS.format(words="two"))
    until(serving.stderr, "reload:")
    told: set[str] = set()
    deadline = time.monotonic() + GIVE_UP_AFTER_S
    while "two" not in told and time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", port)):  # refused, it would raise
            pass
        with contextlib.suppress(InvalidStatus, ConnectionClosed):  # who came as it was leaving
            told.add(heard(port))
    assert "two" in told


def test_code_that_cannot_be_read_is_told_and_the_next_change_awaited(
    serving: subprocess.Popen[str], application: Path
) -> None:
    port = started(serving)
    application.write_text("def broken(:\n")
    assert "assistant.py" in until(serving.stderr, "error:") + until(serving.stderr, "→")
    assert "waiting for a change" in until(serving.stderr, "reload: it ended with status 2")
    application.write_text(SAYS.format(words="three"))
    assert started(serving) == port
    assert heard(port) == "three"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both_with_0(serving: subprocess.Popen[str], number: int) -> None:
    port = started(serving)
    serving.send_signal(number)
    assert read_until(serving.stderr, "stopped")["level"] == "info"
    assert serving.wait(GIVE_UP_AFTER_S) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_process_whose_supervisor_was_killed_ends_too(serving: subprocess.Popen[str]) -> None:
    port = started(serving)
    serving.kill()
    until(serving.stderr, '"stopped"')
    assert list(events(serving.stderr)) == []  # stderr has no writer any more
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_what_is_no_code_changes_nothing(serving: subprocess.Popen[str], application: Path) -> None:
    started(serving)
    (application.parent / "notes.txt").write_text("nothing")
    time.sleep(0.5)
    serving.terminate()
    lines = list(events(serving.stderr))
    assert serving.wait(GIVE_UP_AFTER_S) == 0
    assert not [line for line in lines if "reload:" in line]


def test_a_wrong_setting_ends_it_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "keepline", "serve", "--reload", "--port", "99999"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2
    assert "server.port" in ended.stderr
