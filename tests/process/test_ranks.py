"""Who was here before the process ended is let in again, however it ended."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
from websockets.exceptions import InvalidStatus

from tests.process.processes import GIVE_UP_AFTER_S, PORTS, TOKEN, Start, device, ends, read_until

RESUMES_ONLY = 0.96


def read_all(stream: IO[str] | None, events: set[str]) -> dict[str, dict[str, object]]:
    """Read log lines until each of `events` has come, in whatever order."""
    assert stream is not None
    found: dict[str, dict[str, object]] = {}
    for line in map(json.loads, stream):
        if line["event"] in events:
            found[line["event"]] = line
        if found.keys() == events:
            return found
    raise AssertionError(f"the log ended with no more than {set(found)}")


def until_written(path: Path, devices: int) -> None:
    """Return once so many are in the file: on a busy machine some are let in before they are."""
    until = time.monotonic() + GIVE_UP_AFTER_S
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        while file.execute("select count(*) from own").fetchone() != (devices,):
            assert time.monotonic() < until
            time.sleep(0.05)


def force(admin_port: object, pressure: float) -> None:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{admin_port}/api/governor/force",
        data=json.dumps({"pressure": pressure}).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(asked, timeout=GIVE_UP_AFTER_S).close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_at_resumes_only_who_was_here_before_a_restart_passes_and_others_do_not(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    serve = ("serve", *PORTS, "--token", TOKEN, "--data", str(tmp_path / "data"))
    process = start(*serve)
    ports = read_until(process.stderr, "started")
    here = [f"02:00:00:00:00:{n:02x}" for n in range(20)]
    with ExitStack() as stack:
        for device_id in here:
            stack.enter_context(device(ports["port"], device_id))
        with device(ports["port"], "has-left"):
            pass
        until_written(tmp_path / "data" / "keepline.db", len(here) + 1)
        process.send_signal(number)
        process.wait(GIVE_UP_AFTER_S)

    process = start(*serve)
    told = read_all(process.stderr, {"started", "devices_recalled"})
    recalled, ports = told["devices_recalled"], told["started"]
    assert (recalled["resumed"], recalled["known"]) == (21, 21)
    force(ports["admin_port"], RESUMES_ONLY)
    for device_id in (*here, "has-left"):
        with device(ports["port"], device_id):
            pass
    with pytest.raises(InvalidStatus) as refused, device(ports["port"], "never-here"):
        pass
    assert refused.value.response.status_code == 503
    process.terminate()
    assert ends(process)[0] == 0
