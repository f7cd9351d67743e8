"""The commands about devices, against a gateway that runs as operators run it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.process.processes import (
    GIVE_UP_AFTER_S,
    KEEPLINE,
    PORTS,
    TOKEN,
    Start,
    read_until,
)

ADMIN_TOKEN = "an-admin-token-of-the-process-tests"
HEADERS = {"Device-Id": "02:00:00:00:00:07", "Authorization": f"Bearer {TOKEN}"}
HELLO = '{"type":"hello","version":1,"transport":"websocket"}'


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    result = subprocess.run(
        [*KEEPLINE, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_AFTER_S,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
    )
    return result.returncode, result.stdout, result.stderr


def test_a_device_is_seen_kicked_and_explained_from_the_command_line(
    start: Start, tmp_path: Path
) -> None:
    config = tmp_path / "keepline.toml"
    config.write_text(f"[admin]\ntoken = '{ADMIN_TOKEN}'\n")
    process = start("serve", *PORTS, "--token", TOKEN, "--config", str(config))
    ports = read_until(process.stderr, "started")
    where = ("--admin-url", f"http://127.0.0.1:{ports['admin_port']}")
    known = (*where, "--config", str(config))

    url = f"ws://127.0.0.1:{ports['port']}/xiaozhi/v1/"
    with connect(url, additional_headers=HEADERS, proxy=None) as device:
        device.send(HELLO)
        device.recv(timeout=GIVE_UP_AFTER_S)
        [session] = json.loads(run("sessions", "--json", *known)[1])
        assert (session["device_id"], session["address"]) == (HEADERS["Device-Id"], "127.0.0.1")
        assert "has been connected for" in run("device", session["device_id"], *known)[1]
        sending = ("send", session["device_id"], '{"type":"system","command":"reboot"}', *known)
        assert run(*sending)[:2] == (0, f"it is on its way to {session['device_id']}\n")
        assert json.loads(device.recv(timeout=GIVE_UP_AFTER_S))["command"] == "reboot"
        status, told, _ = run("kick", session["device_id"], *known)
        assert (status, told.split(" (")[0]) == (0, f"{session['device_id']} is being closed")
        with pytest.raises(ConnectionClosed) as ending:
            device.recv(timeout=GIVE_UP_AFTER_S)
    assert ending.value.rcvd is not None
    assert (ending.value.rcvd.code, ending.value.rcvd.reason) == (4002, "kicked")
    status, told, _ = run("device", session["device_id"], *known)
    assert status == 0
    assert "kicked, an operator ended it, close code 4002." in told
    assert "it has had 1 session that ended" in told
    status, told, _ = run("events", "--device", session["device_id"], *known)
    assert [line.split()[2] for line in told.splitlines()] == ["online", "offline"]
    assert "cause=kicked initiator=operator code=4002" in told

    status, _, complaint = run("sessions", *where)
    assert status == 2
    assert "KEEPLINE_ADMIN__TOKEN" in complaint
    environment = {"KEEPLINE_ADMIN__TOKEN": ADMIN_TOKEN, "KEEPLINE_ADMIN_URL": where[1]}
    assert run("sessions", **environment) == (0, run("sessions", *known)[1], "")
    status, _, complaint = run("device", "nobody", *known)
    assert (status, complaint.split(":")[1]) == (2, " nothing is known of nobody")
