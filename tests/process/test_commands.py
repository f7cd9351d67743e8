"""Keepline as outsiders start it: a process in the foreground, stopped by a signal."""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.process.processes import GIVE_UP_AFTER_S, PORTS, TOKEN, Start, ends, get, read_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_is_ready_and_ends_with_0_on_a_signal(start: Start, number: signal.Signals) -> None:
    process = start("serve", *PORTS, "--token", TOKEN)
    ports = read_until(process.stderr, "started")
    assert get(ports["admin_port"], "/readyz")[0] == 200
    assert b"\nkeepline_sessions 0.0\n" in get(ports["admin_port"], "/metrics")[1]
    process.send_signal(number)
    status, output, complaints = ends(process)
    assert (status, output) == (0, "")
    assert [json.loads(line)["event"] for line in complaints.splitlines()][-1] == "stopped"
    assert TOKEN not in complaints


def test_serve_allows_itself_a_descriptor_for_every_connection(start: Start) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        process = start("serve", *PORTS, "--set", "server.max_connections=1000")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    ports = read_until(process.stderr, "started")
    metrics = get(ports["admin_port"], "/metrics")[1].decode()
    found = re.search(r"^process_max_fds (\S+)$", metrics, re.MULTILINE)
    assert found is None or float(found[1]) > 1_000  # it is there on Linux


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_taken_port_is_told_with_the_option_that_chooses_another(
    start: Start, option: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, complaints = ends(start("serve", *PORTS, option, port))
    assert status == 2
    assert f"127.0.0.1:{port}" in complaints
    assert f"{option}" in complaints
    assert "Traceback" not in complaints


def test_an_application_beside_the_command_is_served(start: Start, tmp_path: Path) -> None:
    (tmp_path / "myapp.py").write_text(
        "from keepline.gateway.handler import Handler\nclass Assistant(Handler): pass\n"
    )
    process = start("serve", "myapp:Assistant", *PORTS)
    read_until(process.stderr, "started")
    process.terminate()
    assert ends(process)[0] == 0


@pytest.mark.parametrize("pool", ["None", "Pool()"])
def test_a_thread_that_a_handler_left_blocked_does_not_keep_the_process(
    start: Start, tmp_path: Path, pool: str
) -> None:
    (tmp_path / "blocked.py").write_text(
        "import asyncio, time\n"
        "from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "from keepline.gateway.handler import Handler\n"
        "class Blocked(Handler):\n"
        "    async def opened(self, session):\n"
        f"        await asyncio.get_running_loop().run_in_executor({pool}, time.sleep, 3600)\n"
    )
    process = start("serve", "blocked:Blocked", *PORTS, "--set", "session.closed_timeout_s=0.5")
    port = read_until(process.stderr, "started")["port"]
    url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"
    with connect(url, additional_headers={"Device-Id": "one"}, proxy=None) as device:
        device.send('{"type":"hello"}')
        device.recv(timeout=GIVE_UP_AFTER_S)
        process.terminate()
        assert ends(process)[0] == 0


def test_everybody_is_let_in_on_loopback_only(start: Start) -> None:
    status, _, complaints = ends(start("serve", *PORTS, "--host", "0.0.0.0"))
    assert status == 2
    assert "--token" in complaints
    assert "Traceback" not in complaints


def test_demo_says_where_to_connect_and_ends_with_0_on_ctrl_c(start: Start) -> None:
    process = start("demo", *PORTS, "--token", TOKEN)
    read_until(process.stderr, "started")
    assert process.stdout is not None
    seen = ""
    while "pongs" not in seen:  # the head of the table of what is going on
        line = process.stdout.readline()
        assert line, seen
        seen += line
    assert "ws://127.0.0.1:" in seen
    assert "/xiaozhi/v1/" in seen
    assert TOKEN in seen
    process.send_signal(signal.SIGINT)
    status, _, complaints = ends(process)
    assert status == 0, complaints
    assert "Traceback" not in complaints
