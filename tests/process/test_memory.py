"""What was acknowledged is there after the process was killed, and after it was stopped."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from websockets.sync.client import ClientConnection

from tests.process.processes import (
    GIVE_UP_AFTER_S,
    PORTS,
    TOKEN,
    Start,
    device,
    ends,
    get,
    read_until,
)

COUNTER = """
from keepline import Handler
from keepline.messages import Custom


class Counter(Handler):
    def __init__(self):
        self.count = 0
        self.origin = "opened"

    def restore(self, state):
        self.count = int(state)

    def resumed(self, session):
        self.origin = "resumed"

    def snapshot(self):
        return str(self.count).encode()

    async def text(self, session, message):
        self.count += 1
        await session.save(str(self.count).encode())
        session.send(Custom(payload=[self.origin, self.count]))
"""


@pytest.fixture
def served(start: Start, tmp_path: Path) -> Any:
    """Start the counter on the same data as often as asked; return the process and its ports."""
    (tmp_path / "counter.py").write_text(COUNTER)

    def serve() -> Any:
        data = str(tmp_path / "data")
        process = start("serve", "counter:Counter", *PORTS, "--token", TOKEN, "--data", data)
        return process, read_until(process.stderr, "started")

    return serve


def count(connection: ClientConnection) -> Any:
    connection.send('{"type":"custom","payload":1}')
    return json.loads(connection.recv(GIVE_UP_AFTER_S))["payload"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_every_save_that_was_acknowledged_is_there_after_the_end(
    served: Any, number: signal.Signals
) -> None:
    process, ports = served()
    with ExitStack() as stack:
        connections = [
            stack.enter_context(device(ports["port"], f"02:00:00:00:01:{n:02x}")) for n in range(20)
        ]
        for rounds in (1, 2, 3):
            assert [count(each) for each in connections] == [["opened", rounds]] * 20
        process.send_signal(number)
        process.wait(GIVE_UP_AFTER_S)

    process, ports = served()
    for n in range(20):
        with device(ports["port"], f"02:00:00:00:01:{n:02x}") as connection:
            assert count(connection) == ["resumed", 4]
    process.terminate()
    assert ends(process)[0] == 0


def test_a_broken_file_is_set_aside_and_devices_are_served(served: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keepline.db").write_bytes(b"not a database at all" * 500)
    process, ports = served()
    with device(ports["port"]) as connection:
        assert count(connection) == ["opened", 1]
    process.terminate()
    assert ends(process)[0] == 0
    assert (tmp_path / "data" / "keepline.db.broken-1").exists()


def test_a_file_that_is_locked_for_a_while_costs_no_device_its_connection(
    served: Any, tmp_path: Path
) -> None:
    process, ports = served()
    with closing(sqlite3.connect(tmp_path / "data" / "keepline.db")) as other:
        other.execute("begin immediate")
        with device(ports["port"]) as connection:
            connection.send('{"type":"custom","payload":1}')
            with pytest.raises(TimeoutError):
                connection.recv(0.5)  # nothing is acknowledged that is not kept
            assert get(ports["admin_port"], "/healthz")[0] == 200
            other.rollback()
            assert json.loads(connection.recv(GIVE_UP_AFTER_S))["payload"] == ["opened", 1]
    process.terminate()
    assert ends(process)[0] == 0


def history_of(admin_port: int, device_id: str) -> Any:
    status, body = get(admin_port, f"/api/devices/{device_id}")
    assert status == 200
    return json.loads(body)


def is_told_of(history: Any, *, sessions: int) -> bool:
    """Whether so many sessions are over, with all that is told of them."""
    totals = history["totals"] or {"sessions": 0}
    return (history["session"], totals["sessions"], len(history["endings"])) == (
        None,
        sessions,
        sessions,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_history_of_a_device_is_there_after_a_restart(
    served: Any, number: signal.Signals
) -> None:
    process, ports = served()
    device_id = "02:00:00:00:00:01"
    for _ in range(3):
        with device(ports["port"], device_id) as connection:
            count(connection)
    give_up_at = time.monotonic() + GIVE_UP_AFTER_S
    while not is_told_of(before := history_of(ports["admin_port"], device_id), sessions=3):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    with device(ports["port"], "02:00:00:00:00:02") as connection:
        count(connection)  # saved, and so is all that was to be written before it
        process.send_signal(number)
        process.wait(GIVE_UP_AFTER_S)

    process, ports = served()
    after = history_of(ports["admin_port"], device_id)
    assert after["totals"] == before["totals"]
    assert after["totals"]["sessions"] == 3
    assert [each["claim"] for each in after["endings"]] == [3, 2, 1]
    assert [each["steps"] for each in after["endings"]] == [
        each["steps"] for each in before["endings"]
    ]
    assert after["endings"][0]["steps"][0]["state"] == "authenticating"
    status, body = get(ports["admin_port"], f"/api/events?after=0&device={device_id}")
    assert status == 200
    kinds = [each["kind"] for each in json.loads(body)["events"]]
    assert kinds == ["online", "offline"] * 3
    process.terminate()
    assert ends(process)[0] == 0


def test_a_locked_file_is_said_to_be_away_and_never_a_failure(served: Any, tmp_path: Path) -> None:
    process, ports = served()
    with device(ports["port"]) as connection:
        count(connection)
        with closing(sqlite3.connect(tmp_path / "data" / "keepline.db")) as other:
            other.execute("begin immediate")
            view = history_of(ports["admin_port"], "02:00:00:00:00:01")
            assert (view["store"], view["session"]["state"]) == ("away", "active")
            with pytest.raises(HTTPError) as refused:
                get(ports["admin_port"], "/api/devices/nobody")
            with refused.value as answer:
                assert (answer.code, b"not known now" in answer.read()) == (503, True)
    process.terminate()
    assert ends(process)[0] == 0
