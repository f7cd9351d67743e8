"""Alerts that are open when a process ends, is killed, or leaves: opened and over once."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from keepline.app import line
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN, whole_lines
from tests.process.test_alerts import until
from tests.process.test_device_commands import HELLO, run

QUICKER = """
from keepline.cli import main
from keepline.monitor.alerts import book

book.RESTORE_S = 6.0  # three minutes are long
main()
"""

RULES = (
    *("rules.connections=1", "rules.memory_bytes=1", "rules.raise_after_s=0", "rules.hold_s=1"),
    *("monitor.interval_s=1", "rules.trends=seed"),
)


class Served:
    """Gateways one after another on the same data, and all that somebody was told of alerts."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self._directory = directory
        self._out = directory / "told"
        self._log = directory / "log"
        self._devices = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        (directory / "quicker.py").write_text(QUICKER)
        copy = f'["/bin/sh", "-c", "cat >> {self._out}"]'
        (directory / "keepline.toml").write_text(f"[alerts]\ncommand = {copy}\n")

    def starts(self) -> subprocess.Popen[bytes]:
        before = len(self.logged("started"))
        options = [part for each in RULES for part in ("--set", each)]
        given = ["--token", TOKEN, "--data", str(self.data), "--config", "keepline.toml"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "quicker.py", "serve", *PORTS, *given, *options],
                cwd=self._directory,
                stderr=log,
            )
        self._processes.append(process)
        until(lambda: len(self.logged("started")) > before)
        return process

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(each) for each in whole_lines(self._log)]
        return [each for each in lines if each["event"] == event]

    def connect(self, name: str) -> None:
        port = self.logged("started")[-1]["port"]
        connecting = connect(
            f"ws://127.0.0.1:{port}/xiaozhi/v1/",
            additional_headers={"Device-Id": name, "Authorization": f"Bearer {TOKEN}"},
            proxy=None,
            close_timeout=0.1,
        )
        device = self._devices.enter_context(connecting)
        device.send(HELLO)
        device.recv(timeout=GIVE_UP_AFTER_S)

    def asked(self, *words: str) -> str:
        port = self.logged("started")[-1]["admin_port"]
        return run("alerts", *words, "--admin-url", f"http://127.0.0.1:{port}")[1]

    def listed(self, which: str) -> dict[str, dict[str, Any]]:
        """Return the alerts by what they are about; of one thing there is one."""
        found = json.loads(self.asked("--json"))[which]
        named = {each["about"]: each for each in found if each["kind"] == "threshold"}
        assert len(named) == len([each for each in found if each["kind"] == "threshold"])
        return named

    def told(self, about: str) -> list[str]:
        """Return what somebody was told, of all processes."""
        found = [json.loads(each) for each in whole_lines(self._out)]
        return [
            each["what"]
            for each in found
            if (each["alert"]["about"], each["alert"]["kind"]) == (about, "threshold")
        ]

    def opens(self) -> dict[str, dict[str, Any]]:
        """Have an alert that stays, and one that ends with the process; return both."""
        for each in range(2):
            self.connect(f"device-{each}")

        def both() -> Any:
            found = self.listed("open")
            return found if {"connections", "memory_bytes"} <= set(found) else None

        found: dict[str, dict[str, Any]] = until(both)
        until(lambda: self.told("connections") and self.told("memory_bytes"))
        return found

    def has_written(self, word: str) -> bool:
        """Whether the file knows it: what was answered is written a moment later."""
        with closing(sqlite3.connect(f"file:{self.data}/keepline.db?mode=ro", uri=True)) as file:
            memo = file.execute("select data from memo where name = 'alerts'").fetchone()
        return memo is not None and word.encode() in memo[0]

    def end(self) -> None:
        for pid in [each["heir"] for each in self.logged("upgrade_begins")]:
            subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)
        for process in self._processes:
            process.kill()
            process.wait()
        self._devices.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.end()


def check_one_stays_and_one_ends(served: Served, before: dict[str, dict[str, Any]]) -> None:
    over = until(lambda: served.listed("recent").get("connections"))
    assert over["number"] == before["connections"]["number"]
    assert over["resolution"] == "the gateway was started anew, and it was not seen again"
    stays = served.listed("open")["memory_bytes"]
    assert stays["number"] == before["memory_bytes"]["number"]
    assert stays["since"] == before["memory_bytes"]["since"]
    assert stays["acknowledged"]["by"]
    until(lambda: len(served.told("connections")) > 1)
    assert served.told("connections") == ["opened", "resolved"]
    assert served.told("memory_bytes") == ["opened", "acknowledged"]
    assert "silence 1: rtt_p50_s" in served.asked()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_open_at_the_end_of_a_process_is_told_once_and_over_once(
    served: Served, end: signal.Signals
) -> None:
    process = served.starts()
    before = served.opens()
    served.asked("ack", str(before["memory_bytes"]["number"]))
    served.asked("silence", "rtt_p50_s")
    until(lambda: len(served.told("memory_bytes")) > 1)
    until(lambda: served.has_written("rtt_p50_s"))
    process.send_signal(end)
    process.wait(GIVE_UP_AFTER_S)
    served.starts()
    check_one_stays_and_one_ends(served, before)


@pytest.mark.skipif(not line.is_possible(), reason="hands sockets over as Linux does")
def test_what_is_open_in_an_upgrade_is_told_once_and_over_once(served: Served) -> None:
    served.starts()
    before = served.opens()
    served.asked("ack", str(before["memory_bytes"]["number"]))
    served.asked("silence", "rtt_p50_s")
    command = [*KEEPLINE, "upgrade", "--data", str(served.data)]
    subprocess.run(command, check=True, capture_output=True, timeout=2 * GIVE_UP_AFTER_S)
    check_one_stays_and_one_ends(served, before)
    assert served.logged("alerts_not_handed_over") == []


@pytest.mark.skipif(not line.is_possible(), reason="hands sockets over as Linux does")
def test_an_upgrade_that_is_undone_changes_nothing_about_alerts(served: Served) -> None:
    served.starts()
    before = served.opens()
    command = [*KEEPLINE, "upgrade", "--data", str(served.data), "--exec", "/bin/false"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 2
    assert served.listed("open").keys() == before.keys()
    assert served.told("connections") == served.told("memory_bytes") == ["opened"]
