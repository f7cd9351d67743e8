"""One action alone is forced and released by the command, as an operator would."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.process.processes import (
    GIVE_UP_AFTER_S,
    KEEPLINE,
    PORTS,
    TOKEN,
    Start,
    device,
    ends,
    read_until,
)


def governor(admin_port: object, *words: str) -> str:
    asked = [*KEEPLINE, "governor", *words, "--admin-url", f"http://127.0.0.1:{admin_port}"]
    return subprocess.run(
        asked, check=True, capture_output=True, text=True, timeout=GIVE_UP_AFTER_S
    ).stdout


def action(admin_port: object, word: str) -> dict[str, Any]:
    told = json.loads(governor(admin_port, "--json"))
    [found] = [each for each in told["actions"] if each["action"] == word]
    return dict(found)


def is_refused(port: object, device_id: str) -> bool:
    try:
        with device(port, device_id):
            return False
    except InvalidStatus as refused:
        return refused.response.status_code == 503 and "Retry-After" in refused.response.headers


def test_one_action_alone_is_forced_on_and_off_and_released(start: Start) -> None:
    process = start("serve", *PORTS, "--token", TOKEN, "--set", "session.idle_after_s=0.2")
    ports = read_until(process.stderr, "started")
    port, admin_port = ports["port"], ports["admin_port"]
    with device(port, "02:00:00:00:00:01") as here:
        shown = governor(admin_port, "force", "1", "resumes_only", "--for", "1h")
        assert "forced: 1.00" in shown
        assert is_refused(port, "02:00:00:00:00:02")
        governor(admin_port, "force", "1", "shed")
        with pytest.raises(ConnectionClosed) as closed:  # it was idle; nothing else is told it
            here.recv(GIVE_UP_AFTER_S)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "shed")
    governor(admin_port, "force", "0", "resumes_only")
    assert action(admin_port, "resumes_only")["strength"] is None
    assert not is_refused(port, "02:00:00:00:00:02")
    governor(admin_port, "release", "resumes_only")
    assert action(admin_port, "resumes_only")["forced"] is None
    assert action(admin_port, "resumes_only")["begun"] == 1
    process.send_signal(signal.SIGTERM)
    assert ends(process)[0] == 0
