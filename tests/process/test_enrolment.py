"""A board on a network: `serve` with a directory, a code, `keepline enrol`, and a kill between."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, Start, read_until

DEVICE = "02:ab:00:00:00:01"
CLIENT = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f01"


class Running:
    """A gateway that listens to the network and keeps its state in a directory."""

    def __init__(self, start: Start, directory: Path) -> None:
        arguments = ("--host", "0.0.0.0", "--data", str(directory))
        self.process = start("serve", *PORTS, *arguments)
        ports = read_until(self.process.stderr, "started")
        self.port = ports["port"]
        self.admin_url = f"http://127.0.0.1:{ports['admin_port']}"

    def asked(self) -> dict[str, Any]:
        """Return the configuration that the board is given."""
        question = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/xiaozhi/ota/",
            data=b'{"board":{"name":"bread-compact"}}',
            headers={"Device-Id": DEVICE, "Client-Id": CLIENT},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(question, timeout=GIVE_UP_AFTER_S) as answer:
            configuration: dict[str, Any] = json.load(answer)
        return configuration

    def types(self, *arguments: str) -> str:
        """Run `keepline enrol` and return what it printed."""
        done = subprocess.run(
            [*KEEPLINE, "enrol", *arguments, "--admin-url", self.admin_url],
            capture_output=True,
            text=True,
            timeout=GIVE_UP_AFTER_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def connected(self, token: str) -> Iterator[ClientConnection]:
        with connect(
            f"ws://127.0.0.1:{self.port}/xiaozhi/v1/",
            additional_headers={
                "Authorization": f"Bearer {token}",
                "Device-Id": DEVICE,
                "Client-Id": CLIENT,
            },
            compression=None,
            proxy=None,
        ) as device:
            device.send('{"type":"hello","version":1,"transport":"websocket"}')
            assert json.loads(device.recv(timeout=GIVE_UP_AFTER_S))["type"] == "hello"
            yield device

    def refuses(self, token: str) -> bool:
        """Whether the board is not let in with this token."""
        with pytest.raises(InvalidStatus) as refused, self.connected(token):
            pass
        return refused.value.response.status_code == 401


def test_what_was_approved_and_revoked_outlives_a_kill(start: Start, tmp_path: Path) -> None:
    gateway = Running(start, tmp_path)
    code = gateway.asked()["activation"]["code"]
    assert code in gateway.types("list")
    shown = gateway.types("approve", code, "--yes")
    assert DEVICE in shown
    assert "bread-compact" in shown
    token = gateway.asked()["websocket"]["token"]
    gateway.process.kill()
    gateway.process.wait(GIVE_UP_AFTER_S)

    gateway = Running(start, tmp_path)
    assert gateway.asked()["websocket"]["token"]
    with gateway.connected(token) as device:
        gateway.types("revoke", DEVICE)
        with pytest.raises(ConnectionClosed) as closed:
            device.recv(timeout=GIVE_UP_AFTER_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4004
    gateway.process.kill()
    gateway.process.wait(GIVE_UP_AFTER_S)

    gateway = Running(start, tmp_path)
    assert gateway.refuses(token)
    assert "revoked" in gateway.types("list")
    gateway.types("forget", DEVICE)
    assert "activation" in gateway.asked()
    assert gateway.refuses(token)
