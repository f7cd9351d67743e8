"""Out of descriptors: who is there is served, who comes is told, and nothing spins."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from keepline.wire.frames import Opcode, encode_masked
from tests.gateway.peers import HELLO, KEY, request
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN, get, read_until

ALLOWED = 80
RESERVED = 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A gateway that may open so few files."""
    running = subprocess.Popen(
        [*KEEPLINE, "serve", *PORTS, "--token", TOKEN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(  # noqa: PLW1509 (no threads here)
            resource.RLIMIT_NOFILE, (ALLOWED, ALLOWED)
        ),
    )
    yield running
    running.kill()
    running.communicate()


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def upgraded(port: int, number: int) -> socket.socket | bytes:
    """Return a live device, or what it was answered instead."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_AFTER_S)
    sock.sendall(
        request(Device_Id=f"device-{number}", Authorization=f"Bearer {TOKEN}")
        + encode_masked(Opcode.TEXT, HELLO.encode(), KEY)
    )
    try:
        answer = sock.recv(65_536)
    except ConnectionError as error:
        answer = str(error).encode()
    if answer.startswith(b"HTTP/1.1 101 "):
        return sock
    sock.close()
    return answer


def test_who_is_there_is_served_and_who_comes_is_told(process: subprocess.Popen[str]) -> None:
    started = read_until(process.stderr, "started")
    port, admin_port = started["port"], started["admin_port"]
    assert isinstance(port, int)
    met = [upgraded(port, number) for number in range(ALLOWED + 20)]
    devices = [one for one in met if isinstance(one, socket.socket)]
    refused = [one for one in met if isinstance(one, bytes)]
    try:
        assert ALLOWED - RESERVED - 30 < len(devices) <= ALLOWED - RESERVED
        assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in refused)
        assert all(b"Retry-After: 10" in answer for answer in refused)
        # Operators are not locked out.
        assert get(admin_port, "/healthz")[0] == 200
        status, metrics = get(admin_port, "/metrics")
        assert status == 200
        assert b'cause="full"' in metrics
        # Nobody who was there has noticed.
        for device in devices:
            device.sendall(encode_masked(Opcode.PING, b"?", KEY))
        for device in devices:
            seen = b""
            while not seen.endswith(b"\x8a\x01?"):
                more = device.recv(65_536)
                assert more
                seen += more
        before_s = cpu_s(process.pid)
        time.sleep(1.0)
        assert cpu_s(process.pid) - before_s < 0.3
        # There is room again when somebody leaves.
        devices.pop().close()
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while isinstance(newcomer := upgraded(port, 1_000), bytes):
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        devices.append(newcomer)
    finally:
        for device in devices:
            device.close()
    process.terminate()
    _, log = process.communicate(timeout=GIVE_UP_AFTER_S)
    lines = [json.loads(line) for line in log.splitlines()]
    assert len([line for line in lines if line["event"] == "out_of_descriptors"]) == 1
