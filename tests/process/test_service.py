"""As systemd runs it: sockets that were opened before, and what is told in return."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect

from keepline.app import line
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, get, read_until

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="systemd is Linux's")

# What systemd does between fork and exec: descriptors from 3 on, and whose they are.
ACTIVATED = """
import fcntl, os, sys
copies = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 64) for each in sys.argv[1:3]]
for number, copy in enumerate(copies, start=3):
    os.dup2(copy, number)
    os.close(copy)
os.environ |= {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "devices:admin", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[3], sys.argv[3:])
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(GIVE_UP_AFTER_S)
        yield manager


def told(manager: socket.socket) -> str:
    return manager.recv(1_000).decode()


def comes(port: int) -> None:
    """Be a device for a moment."""
    url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"
    headers = {"Device-Id": "one"}
    with connect(url, additional_headers=headers, proxy=None, close_timeout=0) as connection:
        connection.send('{"type":"hello"}')
        assert "session_id" in str(connection.recv(timeout=GIVE_UP_AFTER_S))


def test_it_serves_on_sockets_that_systemd_opened_and_tells_what_becomes_of_it(
    manager: socket.socket, tmp_path: Path
) -> None:
    devices, admin = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    numbers = [devices.fileno(), admin.fileno()]
    port, admin_port = devices.getsockname()[1], admin.getsockname()[1]
    data = str(tmp_path / "data")
    command = [*KEEPLINE, "serve", "--port", str(port), "--admin-port", "0", "--data", data]
    process = subprocess.Popen(
        [sys.executable, "-c", ACTIVATED, *map(str, numbers), *command],
        pass_fds=numbers,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
    )
    heir = 0
    try:
        with socket.create_connection(("127.0.0.1", port)):  # before it has even begun
            started = read_until(process.stderr, "started")
            assert (started["port"], started["admin_port"]) == (port, admin_port)
            assert told(manager) == "READY=1"
        comes(port)
        assert get(admin_port, "/readyz")[0] == 200

        upgraded = subprocess.run(
            [*KEEPLINE, "upgrade", "--data", data], check=False, timeout=2 * GIVE_UP_AFTER_S
        )
        assert upgraded.returncode == 0
        name, _, number = told(manager).partition("=")
        heir = int(number)
        assert name == "MAINPID"
        assert told(manager) == "READY=1"  # the heir's, which is the main process now
        assert process.wait(GIVE_UP_AFTER_S) == 0
        comes(port)
        assert get(admin_port, "/readyz")[0] == 200

        os.kill(heir, signal.SIGTERM)
        assert told(manager) == "STOPPING=1"
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        with suppress(ProcessLookupError):
            os.kill(heir or process.pid, signal.SIGKILL)
        devices.close()
        admin.close()


def test_a_socket_that_everybody_reaches_is_not_served_as_if_nobody_did(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as devices:
        numbers = [str(devices.fileno())] * 2
        command = [*KEEPLINE, "serve", "--admin-port", "0", "--data", str(tmp_path / "data")]
        ended = subprocess.run(
            [sys.executable, "-c", ACTIVATED, *numbers, *command],
            pass_fds=[devices.fileno()],
            capture_output=True,
            text=True,
            check=False,
            timeout=GIVE_UP_AFTER_S,
        )
    assert ended.returncode == 2
    assert "server.host is 127.0.0.1" in ended.stderr
