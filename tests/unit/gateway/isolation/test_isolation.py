from __future__ import annotations

import json
import sys
import threading
from types import SimpleNamespace

from keepline.errors import HandlerError, SuspendedError
from keepline.gateway.isolation.isolation import BLOCKED_FOR_S
from keepline.gateway.isolation.places import caller_in
from keepline.gateway.isolation.watchdog import Culprit
from keepline.gateway.session import Session
from keepline.lifecycle.faults import Fault, Source
from keepline.monitor.alerts.incidents import Incident
from tests.unit.gateway.fakes import Recorder, World

CULPRIT = Culprit(
    "app.py:7", "app.Assistant", "Assistant.text", "Device-1", "session-1", "f app.py:7"
)


async def test_a_stall_names_who_was_seen_during_it() -> None:
    world = World()
    world.node.isolation.watchdog._culprit = CULPRIT
    world.stall(1.0)
    [line] = world.logged("loop_stalled")
    assert (line["call"], line["at"], line["device_id"]) == (
        "Assistant.text",
        "app.py:7",
        "Device-1",
    )
    [event] = await world.hub.latest(kind="loop_blocked")
    assert event.device_id == "device-1"
    assert json.loads(event.data)["lost_s"] == line["lost_s"] == 0.9
    now = world.node.ticker.now
    [problem] = world.node.incidents.problems(now)
    assert (problem.about, problem.scope) == (Incident.LOOP_BLOCKED, "app.Assistant")
    assert problem.detail == "the loop stood still for 0.9 s in app.Assistant"
    assert world.node.incidents.problems(now + BLOCKED_FOR_S) == []


async def test_a_stall_that_nobody_was_seen_in_is_told_as_ever() -> None:
    world = World()
    world.stall(1.0)
    [line] = world.logged("loop_stalled")
    assert "call" not in line
    assert await world.hub.latest(kind="loop_blocked") == []


async def test_a_handler_that_cannot_be_made_counts_by_what_it_raised() -> None:
    world = World()
    error = HandlerError("the handler could not be made")
    error.__cause__ = MemoryError()
    world.node.isolation.not_begun(error, "device-1", "")
    assert world.counters.faults[Fault.MEMORY, Source.HANDLER] == 1
    assert world.counters.handler_failures == 1
    world.node.isolation.not_begun(SuspendedError("not now"), "device-1", "")
    assert world.counters.handler_failures == 1


async def test_it_watches_from_a_thread_and_leaves_none_behind() -> None:
    isolation = World().node.isolation
    isolation.start()
    assert "keepline-watchdog" in [thread.name for thread in threading.enumerate()]
    isolation.stop()
    assert "keepline-watchdog" not in [thread.name for thread in threading.enumerate()]


class Looks(Recorder):
    """Sees whose call the watchdog would take it for, whichever it is."""

    def _look(self, session: Session) -> None:
        watchdog = session.connection.node.isolation.watchdog
        found = caller_in(sys._getframe(), watchdog._fences)
        assert found is not None
        self.calls.append((found.method.__name__, found.session))

    def opened(self, session: Session) -> None:
        self._look(session)

    def text(self, session: Session, message: object) -> None:
        self._look(session)

    def audio(self, session: Session, frame: bytes) -> None:
        self._look(session)


async def test_who_holds_the_loop_up_is_known_in_every_call_of_a_handler() -> None:
    life = World(Looks).connect()
    life.says('{"type":"custom","payload":1}')
    life.streams(b"opus")
    assert life.handler.calls == [(name, life.session) for name in ("opened", "text", "audio")]


async def test_a_part_that_fails_keeps_no_other_from_its_turn() -> None:
    def fails(_now: float) -> None:
        raise ZeroDivisionError

    world = World(isolation={"sends_per_s": 1})
    life = world.connect()
    life.session.send_text("one")
    isolation = world.node.isolation
    for name in ("deadlines", "suspensions", "strays", "leaks"):
        setattr(isolation, name, SimpleNamespace(each_second=fails))
    isolation.each_second(world.node.ticker.now)
    life.session.send_text("another, in another second")
    assert life.connection.lifecycle.reason is None
    assert len(world.logged("upkeep_failed")) == 4
