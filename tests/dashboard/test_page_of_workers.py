"""The dashboard of a machine with two workers: one page, whoever of them is asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from keepline.app import line
from tests.dashboard.conftest import Shown
from tests.process.processes import KEEPLINE, PORTS, TOKEN

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="workers are for Linux")

DEVICES = 60


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Shown]:
    """Two workers, of whom both have something wrong as soon as each has two devices."""
    temporary = tmp_path / "run"
    temporary.mkdir()
    process = subprocess.Popen(
        [
            *(*KEEPLINE, "serve", "echo", "--workers", "2", "--token", TOKEN, *PORTS),
            *("--data", "data", "--set", "monitor.interval_s=1", "--set", "rules.connections=1"),
            *("--set", "rules.raise_after_s=0", "--set", "governor.enabled=false"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    pids: list[int] = []
    try:
        yield _up(process, pids)
    finally:
        process.kill()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def _up(process: subprocess.Popen[str], pids: list[int]) -> Shown:
    assert process.stderr is not None
    for text in process.stderr:
        told = json.loads(text)
        if told["event"] == "worker_ready":
            pids.append(told["pid"])
        if told["event"] == "workers_started":
            return Shown(process, told["port"], f"http://127.0.0.1:{told['admin_port']}")
    raise AssertionError("it ended before it was up")


def test_one_page_shows_what_all_workers_have(machine: Shown, connect: Any, visit: Any) -> None:
    devices = {f"device-{number:02}" for number in range(DEVICES)}
    for each in devices:
        connect(machine, each)
    visitor = visit()
    page = visitor.look(machine)
    expect(page.get_by_text("2 workers", exact=True)).to_be_visible()
    states = page.get_by_role("region", name="Sessions by state")
    expect(states).to_contain_text(re.compile(rf"{DEVICES}\s*connected"))
    expect(states).to_contain_text("of at most 30,000")
    expect(page.get_by_text(re.compile("^worker [12][·; ]+most "))).to_be_visible()
    expect(page.get_by_text("How many more fit is each worker's own reckoning")).to_be_visible()
    alerts = page.get_by_role("region", name="Open alerts")
    for worker in (1, 2):
        expect(alerts).to_contain_text(f"worker {worker}")

    visitor.look(machine, "charts")
    expect(page.locator("canvas")).to_have_count(9)
    connections = page.get_by_role("region", name="Connections", exact=True)
    expect(connections.locator("li").first).to_have_text(re.compile(rf"connected\s*{DEVICES}"))

    visitor.look(machine, "sessions")
    expect(page.get_by_text(f"{DEVICES} of {DEVICES} sessions")).to_be_visible()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    seen = set(page.locator("tbody a").all_text_contents())
    page.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(DEVICES - 50)
    assert seen | set(page.locator("tbody a").all_text_contents()) == devices

    visitor.look(machine, "drain")
    expect(page.get_by_text(re.compile(f"^{DEVICES} devices leave within"))).to_be_visible()

    for each in ("device-00", "device-01"):  # whoever has them
        visitor.look(machine, f"device/{each}")
        page.get_by_role("button", name="Kick …").click()
        page.get_by_role("button", name="Kick", exact=True).click()
        expect(page.get_by_text("not connected")).to_be_visible()
        expect(page.get_by_role("region", name="Endings")).to_contain_text("kicked")
        expect(page.get_by_role("region", name="Events")).to_contain_text("offline")


def test_a_silence_of_all_workers_is_one(machine: Shown, connect: Any, visit: Any) -> None:
    for number in range(DEVICES):
        connect(machine, f"device-{number:02}")
    page = visit().look(machine, "alerts")
    alerts = page.get_by_role("article", name="Connections")
    expect(alerts).to_have_count(2)
    alerts.first.get_by_role("button", name="Silence for 1 h").click()
    lift = page.get_by_role("button", name="Lift")
    expect(lift).to_have_count(1)
    lift.click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
