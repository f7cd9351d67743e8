"""What alerts say was done, of gateways that really have something to do about."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from keepline.cli.alerts import sentences_about
from tests.process.processes import GIVE_UP_AFTER_S, KEEPLINE, PORTS, TOKEN, get, whole_lines
from tests.process.test_alerts import until
from tests.process.test_device_commands import HELLO

WORSE = """
import time

from keepline import Handler


class Blocks(Handler):
    def text(self, session, message):
        time.sleep(1)


class Fails(Handler):
    async def opened(self, session):
        raise ValueError("it never works")
"""

RULES = ("monitor.interval_s=1", "rules.raise_after_s=0", "rules.hold_s=1", "alerts.repeat_s=1")


class Served:
    """A gateway that looks at itself each second, and all that a command was told of alerts."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._out = directory / "told"
        self._log = directory / "log"
        self._devices = ExitStack()
        (directory / "worse.py").write_text(WORSE)
        copy = f'["/bin/sh", "-c", "cat >> {self._out}"]'
        (directory / "keepline.toml").write_text(f"[alerts]\ncommand = {copy}\n")
        given = [part for each in RULES for part in ("--set", each)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*KEEPLINE, "serve", *PORTS, "--config", "keepline.toml", *given, *arguments],
                cwd=directory,
                stderr=log,
            )
        [started] = until(lambda: self.logged("started"))
        self._port = started["port"]
        self._admin_port = started["admin_port"]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(each) for each in whole_lines(self._log)]
        return [each for each in lines if each["event"] == event]

    def connect(self, name: str) -> ClientConnection:
        connecting = connect(
            f"ws://127.0.0.1:{self._port}/xiaozhi/v1/",
            additional_headers={"Device-Id": name, "Authorization": f"Bearer {TOKEN}"},
            proxy=None,
            close_timeout=0.1,
        )
        device = self._devices.enter_context(connecting)
        device.send(HELLO)
        device.recv(timeout=GIVE_UP_AFTER_S)
        return device

    def says(self, about: str, kind: str, *words: str) -> str:
        """Return all that is said of an alert, once one has all the words."""

        def said() -> str:
            found = json.loads(get(self._admin_port, "/api/alerts")[1])
            for each in (*found["open"], *found["recent"]):
                # What `keepline alerts show` prints; a process each time would take its time.
                text = "\n".join(sentences_about(each))
                about_it = (each["about"], each["kind"]) == (about, kind)
                if about_it and all(word in text for word in words):
                    return text
            return ""

        text: str = until(said)
        return text

    def force(self, pressure: float | None) -> None:
        """Have the governor act as at a pressure, as `keepline governor force` does."""
        url = f"http://127.0.0.1:{self._admin_port}/api/governor/force"
        body = json.dumps({"pressure": pressure}).encode()
        asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(asked, timeout=GIVE_UP_AFTER_S).close()

    def told(self, about: str) -> list[dict[str, Any]]:
        """Return the notices that the command was given."""
        lines = map(json.loads, whole_lines(self._out))
        return [each for each in lines if each["alert"]["about"] == about]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._devices.close()


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    running: list[Served] = []

    def serve(*arguments: str) -> Served:
        running.append(Served(tmp_path, *arguments))
        return running[-1]

    yield serve
    for each in running:
        each.end()


def test_what_the_governor_begins_and_ends_is_on_the_alert_that_is_open(serve: Serve) -> None:
    late = ("--set", "governor.lag_lo_s=30", "--set", "governor.lag_hi_s=60")  # as others may be
    served = serve("--token", TOKEN, "--set", "rules.memory_bytes=1", *late)
    served.says("memory_bytes", "threshold", "done: nothing, ", "and the governor begins at 0.70")
    [opened] = [x for x in served.logged("alert_opened") if x["about"] == "memory_bytes"]
    assert "the governor begins at 0.70" in opened["done"]
    served.force(0.93)
    text = served.says("memory_bytes", "threshold", "idle devices are sent away, as an operator")
    assert " % of memory -> " in text
    assert "nothing" not in text

    def reminded() -> Any:
        notices = served.told("memory_bytes")
        return notices[-1]["alert"]["actions"] if notices else []

    [shed] = until(lambda: [each for each in reminded() if "sent away" in each["action"]])
    assert shed["ended_at"] is None
    served.force(None)
    served.says("memory_bytes", "threshold", "over since")
    ended = until(lambda: [each for each in reminded() if each["ended_at"]])
    assert shed["at"] in [each["at"] for each in ended]
    first = served.told("memory_bytes")[0]
    assert (first["what"], first["alert"]["actions"]) == ("opened", [])
    assert "the governor begins" in first["alert"]["undone"]


def test_who_is_turned_away_is_counted_on_the_alert_and_in_its_end(serve: Serve) -> None:
    full = ("--set", "server.max_connections=2", "--set", "rules.connections=1")
    served = serve("--token", TOKEN, *full)
    devices = [served.connect(f"device-{each}") for each in range(2)]
    served.says("connections", "threshold", "done: nothing, there is room up to 2")
    with pytest.raises(InvalidStatus):
        served.connect("device-3")
    served.says("connections", "threshold", "done: devices are turned away with 503 (1 turned away")
    for each in devices:
        each.close()

    def ended() -> list[dict[str, Any]]:
        return [x for x in served.logged("alert_resolved") if x["about"] == "connections"]

    [over] = until(ended)
    assert over["done"].startswith("devices are turned away with 503 (1 turned away in ")
    assert over["resolution"] == "it does not hold any more"
    last = until(lambda: [x for x in served.told("connections") if x["what"] == "resolved"])[0]
    assert "1 turned away" in last["alert"]["actions"][0]["effect"]


def test_a_loop_that_was_blocked_says_what_was_not_held_against_devices(serve: Serve) -> None:
    served = serve("worse:Blocks", "--token", TOKEN)
    device = served.connect("device-1")
    for _ in range(2):
        device.send('{"type":"custom","payload":1}')
    standing = "s of standing still in"
    served.says("loop_blocked", "incident", "Blocks", "is held against no device", standing)


def test_a_handler_that_fails_says_that_devices_are_refused_and_how_many(serve: Serve) -> None:
    served = serve("worse:Fails", "--token", TOKEN, "--set", "isolation.failing_devices=2")
    for number in range(6):
        with suppress(WebSocketException):
            served.connect(f"device-{number}").recv(timeout=GIVE_UP_AFTER_S)
    served.says("handler_suspended", "incident", "told when to come again", "refused in ")


def test_a_voice_server_that_is_away_says_where_its_devices_go(
    serve: Serve, tmp_path: Path
) -> None:
    tries = ("upstream.failures=1", "upstream.eject_s=600", "upstream.eject_max_s=600")
    given = [part for each in tries for part in ("--set", each)]
    served = serve("--upstream", "ws://127.0.0.1:9/", *given, "--token", TOKEN)
    with suppress(WebSocketException, TimeoutError):
        served.connect("device-1").recv(timeout=5)
    said = served.says(
        "upstream_away", "incident", "0 of 1 are well", "devices are sent to those that are well"
    )
    assert "127.0.0.1:9" in said
    assert " · high" in said
