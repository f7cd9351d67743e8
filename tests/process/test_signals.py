"""What signals do to a process: stop, hurry, end at once, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from keepline.wire.frames import Opcode, encode_masked
from tests.gateway.peers import HELLO, KEY, request
from tests.process.processes import GIVE_UP_AFTER_S, PORTS, Start, ends, get, read_until

APPLICATION = """
import asyncio, pathlib, threading, time
from keepline.gateway.handler import Handler

class Stays(Handler):
    async def closed(self, session, reason):
        await asyncio.sleep(3600)

class Blocks(Handler):
    def opened(self, session):
        asyncio.get_running_loop().call_later(0.2, self.blocks)

    def blocks(self):
        pathlib.Path("blocked").touch()
        time.sleep(3600)

class Leaks(Handler):
    def opened(self, session):
        asyncio.get_running_loop().call_soon(self.fails)

    def fails(self):
        raise ZeroDivisionError("nobody catches it")

class LeaksInAThread(Leaks):
    def opened(self, session):
        threading.Thread(target=self.fails, name="of-mine").start()

class LeaksAtItsEnd(Leaks):
    def opened(self, session):
        Dying()

class Dying:
    def __del__(self):
        raise ZeroDivisionError("nobody catches it")
"""


@pytest.fixture(autouse=True)
def application(tmp_path: Path) -> None:
    (tmp_path / "myapp.py").write_text(APPLICATION)


@contextmanager
def device(port: object) -> Iterator[ClientConnection]:
    """A device with a session."""
    url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"
    with connect(
        url, additional_headers={"Device-Id": "one"}, proxy=None, close_timeout=0
    ) as connection:
        connection.send('{"type":"hello"}')
        assert "session_id" in str(connection.recv(timeout=GIVE_UP_AFTER_S))
        yield connection


@contextmanager
def silent(port: object) -> Iterator[socket.socket]:
    """A device that takes a Close for nothing, as stock firmware does."""
    with socket.create_connection(("127.0.0.1", int(str(port))), GIVE_UP_AFTER_S) as sock:
        sock.sendall(request(Device_Id="one") + encode_masked(Opcode.TEXT, HELLO.encode(), KEY))
        seen = b""
        while b"session_id" not in seen:
            seen += sock.recv(65_536)
        yield sock


def test_a_hangup_ends_nothing_and_is_told(start: Start) -> None:
    process = start("serve", *PORTS)
    ports = read_until(process.stderr, "started")
    process.send_signal(signal.SIGHUP)
    read_until(process.stderr, "hangup_ignored")
    assert get(ports["admin_port"], "/readyz")[0] == 200
    process.terminate()
    assert ends(process)[0] == 0


def test_signals_that_come_at_the_very_end_change_nothing(start: Start) -> None:
    process = start("serve", *PORTS)
    read_until(process.stderr, "started")
    process.terminate()
    read_until(process.stderr, "stopped")
    until = time.monotonic() + GIVE_UP_AFTER_S
    sent = 0
    while process.poll() is None and time.monotonic() < until:
        process.send_signal(signal.SIGINT)
        sent += 1
        time.sleep(0.05 if sent < 2 else 0.001)  # the first may still come before the mask
    status, _, complaints = ends(process)
    assert status == 0
    assert "Traceback" not in complaints


def test_a_second_signal_drops_who_does_not_go(start: Start) -> None:
    patient = ("--set", "profiles.xiaozhi.close_timeout_s=25", "--set", "drain.limit_s=60")
    process = start("serve", *PORTS, *patient)
    port = read_until(process.stderr, "started")["port"]
    with silent(port):
        os.kill(process.pid, signal.SIGTERM)
        read_until(process.stderr, "stopping")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert read_until(process.stderr, "hurrying")["connections"] in {0, 1}
        assert ends(process)[0] == 0
        assert time.monotonic() - began < 20


def test_a_second_signal_cuts_a_handler_that_does_not_end(start: Start) -> None:
    patient = ("--set", "session.closed_timeout_s=60", "--set", "drain.limit_s=90")
    process = start("serve", "myapp:Stays", *PORTS, *patient)
    port = read_until(process.stderr, "started")["port"]
    with device(port):
        process.terminate()
        read_until(process.stderr, "stopping")
        began = time.monotonic()
        process.terminate()
        assert ends(process)[0] == 0
        assert time.monotonic() - began < 20


def test_a_third_signal_ends_a_process_whose_loop_is_blocked(start: Start, tmp_path: Path) -> None:
    process = start("serve", "myapp:Blocks", *PORTS)
    port = read_until(process.stderr, "started")["port"]
    with device(port):
        until, sent = time.monotonic() + GIVE_UP_AFTER_S, 0
        while not (tmp_path / "blocked").exists() and time.monotonic() < until:
            time.sleep(0.05)
        while process.poll() is None and time.monotonic() < until:
            process.terminate()
            sent += 1
            time.sleep(0.2)  # two that come at once are one
        assert ends(process)[0] == 128 + signal.SIGTERM
        assert sent >= 3


@pytest.mark.parametrize(
    ("handler", "place"),
    [("Leaks", "in fails"), ("LeaksInAThread", "in fails"), ("LeaksAtItsEnd", "in __del__")],
)
def test_what_nobody_caught_is_a_line_of_our_log(start: Start, handler: str, place: str) -> None:
    process = start("serve", f"myapp:{handler}", *PORTS)
    port = read_until(process.stderr, "started")["port"]
    with device(port):
        line = read_until(process.stderr, "task_failed")
    assert line["error"] == "ZeroDivisionError: nobody catches it"
    assert place in str(line["exception"])
    process.terminate()
    status, _, complaints = ends(process)
    assert status == 0
    assert all(json.loads(each) for each in complaints.splitlines())
