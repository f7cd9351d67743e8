from __future__ import annotations

import json
import threading
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.gateway.isolation import watchdog as watchdog_module
from keepline.gateway.isolation.places import fence_codes
from keepline.gateway.isolation.watchdog import AGAIN_S, Watchdog
from keepline.log import Log
from tests.unit.gateway.fakes import Recorder

SESSION = SimpleNamespace(handler=Recorder(), device_id="device-1", session_id="session-1")


class Scene:
    """A thread that stands for the loop's, held up in a call; a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.beat = self.clock.now()
        self.lines = StringIO()
        log = Log(self.lines, self.clock, style="json", fold_per_s=100)
        self._go, self._ready = threading.Event(), threading.Event()
        self._loop = threading.Thread(target=self._call, args=(SESSION, Recorder.text))
        self._loop.start()
        self._ready.wait()
        assert self._loop.ident is not None
        self.watchdog = Watchdog(
            log,
            self.clock,
            lambda: self.beat,
            fence_codes(Scene._call),
            loop_thread=self._loop.ident,
            blocked_after_s=0.5,
        )

    def _call(self, session: object, method: object) -> None:
        self._blocks()

    def _blocks(self) -> None:
        self._ready.set()
        self._go.wait()

    def pass_time(self, for_s: float) -> None:
        self.clock.advance(for_s)
        self.watchdog.look()

    def end(self) -> None:
        self._go.set()
        self._loop.join()

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


def test_a_tick_in_time_is_not_looked_at() -> None:
    scene = Scene()
    scene.pass_time(0.29)
    assert scene.watchdog.take_culprit(0.0) is None
    scene.end()


def test_a_late_tick_is_looked_at_and_told_only_when_it_is_later_than_the_limit() -> None:
    scene = Scene()
    scene.pass_time(0.49)
    assert scene.logged() == []
    scene.pass_time(0.02)
    [line] = scene.logged()
    assert (line["event"], line["for_s"], line["level"]) == ("loop_blocked", 0.51, "error")
    assert line["handler"] == "tests.unit.gateway.fakes.Recorder"
    assert line["call"] == "Recorder.text"
    assert (line["device_id"], line["session_id"]) == ("device-1", "session-1")
    assert "test_watchdog.py:" in line["at"]
    assert "Scene._blocks" in line["stack"]
    scene.end()


def test_a_long_block_is_told_again_now_and_then() -> None:
    scene = Scene()
    for _ in range(110):
        scene.pass_time(0.2)
    assert len(scene.logged()) == 1 + int((110 * 0.2 - 0.6) / AGAIN_S)
    scene.end()


def test_a_second_block_is_told_at_once() -> None:
    scene = Scene()
    scene.pass_time(0.6)
    scene.beat = scene.clock.now()
    scene.pass_time(0.6)
    assert len(scene.logged()) == 2
    scene.end()


def test_the_loop_is_told_once_who_it_was_and_the_latest_is_remembered() -> None:
    scene = Scene()
    scene.pass_time(0.6)
    culprit = scene.watchdog.take_culprit(0.9)
    assert culprit is not None
    assert culprit.call == "Recorder.text"
    assert scene.watchdog.take_culprit(0.1) is None
    assert scene.watchdog.latest == (0.9, culprit)
    scene.end()


def test_without_a_call_the_place_is_told_alone() -> None:
    scene = Scene()
    scene.watchdog._fences = frozenset()
    scene.pass_time(0.6)
    [line] = scene.logged()
    assert "handler" not in line
    assert "device_id" not in line
    assert "test_watchdog.py:" in line["at"]
    scene.end()


def test_its_thread_ends_when_it_is_told_to() -> None:
    scene = Scene()
    scene.watchdog.start()
    scene.watchdog.stop()
    scene.watchdog.stop()
    assert not any(thread.name == "keepline-watchdog" for thread in threading.enumerate())
    scene.end()


def test_a_look_that_fails_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog_module, "LOOK_S", 0.001)
    scene = Scene()
    looks: list[int] = []
    enough = threading.Event()

    def fails() -> float:
        looks.append(1)
        if len(looks) > 2:
            enough.set()
        raise RuntimeError("what is looked at has changed meanwhile")

    scene.clock.now = fails
    scene.watchdog._log = Log(scene.lines, ManualClock(), style="json", fold_per_s=100)
    scene.watchdog.start()
    assert enough.wait(10)
    scene.watchdog.stop()
    scene.end()
    assert scene.logged()[0]["event"] == "watchdog_failed"
