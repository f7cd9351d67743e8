"""A log that nobody reads: devices are served, and a signal ends the process."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from websockets.sync.client import connect

from keepline.wire.frames import Opcode, encode_masked
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, Start, ends, get, read_until

HELLO = encode_masked(Opcode.TEXT, b'{"type":"hello"}', bytes(4))
UNFOLDED = ("--set", "log.fold_per_s=1000000")
DEVICES = 1_000
PORT_TAKEN = 2  # the status of a process that cannot start
TRIES = 3


def come_and_go(port: object, number: int) -> None:
    """Be a device that says hello, is answered, and hangs up."""
    with socket.create_connection(("127.0.0.1", int(str(port))), GIVE_UP_AFTER_S) as device:
        device.sendall(
            b"GET /xiaozhi/v1/ HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\nDevice-Id: device-%d\r\n\r\n" % number + HELLO
        )
        heard = b""
        while b"session_id" not in heard:
            received = device.recv(4_096)
            assert received, heard
            heard += received


def lines_lost(admin_port: object) -> float:
    metrics = get(admin_port, "/metrics")[1].decode()
    [lost] = re.findall(r"^keepline_log_lines_lost_total (\S+)$", metrics, re.MULTILINE)
    return float(lost)


def test_a_pipe_that_nobody_reads_holds_no_device_up_and_no_signal(start: Start) -> None:
    process = start("serve", *PORTS, *UNFOLDED, "--set", "log.buffer_lines=100")
    ports = read_until(process.stderr, "started")
    for number in range(DEVICES):
        come_and_go(ports["port"], number)
    until = time.monotonic() + GIVE_UP_AFTER_S
    while lines_lost(ports["admin_port"]) < DEVICES:  # two lines each; some 400 fit the pipe
        assert time.monotonic() < until
        time.sleep(0.1)
    url = f"ws://127.0.0.1:{ports['port']}/xiaozhi/v1/"
    with connect(url, additional_headers={"Device-Id": "one"}, proxy=None) as device:
        device.send('{"type":"hello"}')
        assert "session_id" in str(device.recv(timeout=GIVE_UP_AFTER_S))
        process.terminate()
        assert process.wait(GIVE_UP_AFTER_S) == 0


def test_a_log_whose_reader_has_gone_costs_no_device_anything(start: Start) -> None:
    process = start("serve", *PORTS, *UNFOLDED)
    ports = read_until(process.stderr, "started")
    assert process.stderr is not None
    process.stderr.close()
    for number in range(20):
        come_and_go(ports["port"], number)
    process.terminate()
    assert process.wait(GIVE_UP_AFTER_S) == 0
    process.stderr = None


def test_a_reader_who_comes_back_is_told_how_much_was_lost(start: Start) -> None:
    process = start("serve", *PORTS, *UNFOLDED, "--set", "log.buffer_lines=100")
    ports = read_until(process.stderr, "started")
    for number in range(DEVICES):
        come_and_go(ports["port"], number)
    lost = read_until(process.stderr, "lines_lost")["count"]
    assert isinstance(lost, int)
    assert lost > DEVICES / 2
    process.terminate()
    assert ends(process)[0] == 0


def serving_without(stream: int, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a process without a standard stream; return it with its port once that is open."""
    for _ in range(TRIES):
        with socket.create_server(("127.0.0.1", 0)) as chosen:
            port = chosen.getsockname()[1]
        process = subprocess.Popen(
            [*KEEPLINE, "serve", "--port", str(port), "--admin-port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.close(stream),  # noqa: PLW1509 (no threads here)
            cwd=folder,
        )
        until = time.monotonic() + GIVE_UP_AFTER_S
        while process.poll() is None and time.monotonic() < until:
            if _is_open(port):
                return process, port
            time.sleep(0.05)
        process.kill()
        assert process.wait() == PORT_TAKEN  # by somebody else, between our looking and its start
    raise AssertionError(f"no port stayed free, {TRIES} times")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_process_that_is_started_without_a_standard_stream_serves(
    closed: int, tmp_path: Path
) -> None:
    process, port = serving_without(closed, tmp_path)
    try:
        come_and_go(port, 1)
        process.terminate()
        assert process.wait(GIVE_UP_AFTER_S) == 0
    finally:
        process.kill()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
