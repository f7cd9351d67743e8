"""`keepline drain` and the signals, with a gateway in a process of its own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, Start, ends, get, read_until

SLOW = (  # a command after the other, however long each takes, finds it under way
    *("--set", "profiles.xiaozhi.reconnect=fixed", "--set", "profiles.xiaozhi.reconnect_s=10"),
    *("--set", "drain.rate_per_s=0.1", "--set", "server.max_connections=30"),
    *("--set", "drain.wait_s=300", "--set", "drain.limit_s=400"),
)


@contextmanager
def devices(port: object, count: int) -> Iterator[list[ClientConnection]]:
    with ExitStack() as stack:
        made = []
        for number in range(count):
            url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"
            headers = {"Device-Id": f"device-{number}"}
            device = stack.enter_context(
                connect(url, additional_headers=headers, proxy=None, close_timeout=0)
            )
            device.send('{"type":"hello"}')
            assert "session_id" in str(device.recv(timeout=GIVE_UP_AFTER_S))
            made.append(device)
        yield made


class Admin:
    """The admin port of one gateway, as a person at a terminal uses it."""

    def __init__(self, port: object) -> None:
        self.port = port
        self._url = f"http://127.0.0.1:{port}"

    def begin(self, *words: str) -> subprocess.Popen[str]:
        command = [*KEEPLINE, "drain", *words, "--admin-url", self._url]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def typed(self, *words: str) -> tuple[int, str, str]:
        return ends(self.begin(*words))

    def phase(self) -> Any:
        return json.loads(get(self.port, "/api/drain")[1])["phase"]

    def until(self, phase: str) -> None:
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while self.phase() != phase:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)


def hurry(process: subprocess.Popen[str]) -> None:
    """Let a drain that is under way be over soon."""
    process.terminate()
    read_until(process.stderr, "stopping")
    process.terminate()


@pytest.fixture
def started(start: Start) -> Any:
    def begin(*words: str) -> tuple[Any, Any, Admin]:
        process = start("serve", *PORTS, *words)
        ports = read_until(process.stderr, "started")
        return process, ports["port"], Admin(ports["admin_port"])

    return begin


def test_a_drain_is_planned_followed_and_ends_the_gateway(started: Any, tmp_path: Path) -> None:
    process, port, admin = started("--data", str(tmp_path / "data"))
    with devices(port, 3):
        status, out, _ = admin.typed("--dry-run")
        assert status == 0
        assert "3 devices leave within" in out
        assert admin.phase() == "none"
        status, out, err = admin.typed()
    assert (status, "3 devices leave" in out) == (0, True)
    assert err.splitlines()[-1] == "ended, 0 left"
    status, _, log = ends(process)
    assert status == 0
    lines = [json.loads(line) for line in log.splitlines()]
    stopped = next(line for line in lines if line["event"] == "stopped")
    assert (stopped["sessions"], stopped["sent"], stopped["cut"]) == (3, 3, 0)
    assert not list((tmp_path / "data").glob("*-wal"))


def test_who_follows_a_drain_may_go_and_come_again(started: Any) -> None:
    process, port, admin = started(*SLOW)
    with devices(port, 12):
        follower = admin.begin()
        admin.until("leaving")
        follower.kill()
        follower.communicate()
        assert admin.phase() == "leaving"
        second = admin.begin()
        assert second.stderr is not None
        assert "left" in second.stderr.readline()  # it follows
        hurry(process)
        status, _, err = ends(second)
        assert (status, err.splitlines()[-1]) == (0, "ended, 0 left")
        assert ends(process)[0] == 0


def test_a_drain_is_held_and_called_off_and_devices_are_let_in_again(started: Any) -> None:
    process, port, admin = started(*SLOW)
    with devices(port, 12):
        follower = admin.begin("--json")
        admin.until("leaving")
        assert admin.typed("pause")[0] == 0
        assert admin.phase() == "paused"
        assert admin.typed("resume")[0] == 0
        assert admin.typed("abort")[0] == 0
        status, out, _ = ends(follower)
        assert status == 1
        assert json.loads(out.splitlines()[-1])["phase"] == "aborted"
        assert get(admin.port, "/readyz")[0] == 200
    with devices(port, 1):
        pass
    process.terminate()
    assert ends(process)[0] == 0


def test_a_signal_joins_the_drain_that_is_under_way_and_cannot_be_taken_back(
    started: Any,
) -> None:
    process, port, admin = started(*SLOW)
    with devices(port, 12):
        follower = admin.begin("--json")
        admin.until("leaving")
        process.terminate()
        read_until(process.stderr, "stopping")
        status, _, err = admin.typed("abort")
        assert status == 2
        assert "told to stop" in err
        process.terminate()  # once more: nobody waits for the devices
        assert ends(follower)[0] == 0
        assert ends(process)[0] == 0


def test_settings_that_can_never_fit_are_refused_with_the_arithmetic(start: Start) -> None:
    status, _, told = ends(start("serve", *PORTS, "--set", "session.closed_timeout_s=60"))
    assert status == 2
    assert "drain.limit_s must be at least 83, not 30" in told
