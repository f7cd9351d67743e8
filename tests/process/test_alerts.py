"""`keepline alerts`, against a gateway that runs as operators run it and has reason to warn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.process.processes import (
    GIVE_UP_AFTER_S,
    PORTS,
    TOKEN,
    Start,
    read_until,
    whole_lines,
)
from tests.process.test_device_commands import HELLO, run

PATIENCE_S = 2 * GIVE_UP_AFTER_S
"""Others may have the cores."""

RULES = ("rules.connections=1", "rules.raise_after_s=0", "rules.hold_s=1", "monitor.interval_s=1")


def until(look: Callable[[], Any]) -> Any:
    """Return what is found, as soon as anything is."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def test_an_alert_is_seen_acknowledged_silenced_and_over_from_the_command_line(
    start: Start, tmp_path: Path
) -> None:
    out = tmp_path / "told"
    copy = f'["/bin/sh", "-c", "cat >> {out}"]'
    config = tmp_path / "keepline.toml"
    config.write_text(f"[alerts]\ncommand = {copy}\n")
    options = [part for each in RULES for part in ("--set", each)]
    process = start("serve", *PORTS, "--token", TOKEN, "--config", str(config), *options)
    ports = read_until(process.stderr, "started")
    where = ("--admin-url", f"http://127.0.0.1:{ports['admin_port']}")

    def listed(which: str) -> list[dict[str, Any]]:
        found = json.loads(run("alerts", "--json", *where)[1])[which]
        return [each for each in found if each["about"] == "connections"]

    url = f"ws://127.0.0.1:{ports['port']}/xiaozhi/v1/"
    with ExitStack() as stack:
        for each in range(2):
            headers = {"Device-Id": f"device-{each}", "Authorization": f"Bearer {TOKEN}"}
            device = stack.enter_context(connect(url, additional_headers=headers, proxy=None))
            device.send(HELLO)
            device.recv(timeout=GIVE_UP_AFTER_S)
        [alert] = until(lambda: listed("open"))
        number = str(alert["number"])
        assert "connections: 2, the limit is 1" in run("alerts", *where)[1]
        assert "to do: " in run("alerts", "show", number, *where)[1]
        assert "it is yours" in run("alerts", "ack", number, *where)[1]
        assert "silence 1 is until" in run("alerts", "silence", "rtt_p50_s", *where)[1]
        shown = run("alerts", "list", *where)[1]
        assert "medium, acknowledged" in shown
        assert "silence 1: rtt_p50_s until" in shown
        assert run("alerts", "unsilence", "1", *where)[1] == "silence 1 is over\n"
    [alert] = until(lambda: listed("recent"))
    assert alert["resolution"] == "it does not hold any more"
    told = until(lambda: _of_connections(out, 3))
    assert [each["what"] for each in told] == ["opened", "acknowledged", "resolved"]


def _of_connections(out: Path, number: int) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in whole_lines(out)]
    chosen = [each for each in found if each["alert"]["about"] == "connections"]
    return chosen if len(chosen) >= number else []
