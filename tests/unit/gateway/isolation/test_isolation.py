from __future__ import annotations

import json
import threading

from keepline.errors import HandlerError, SuspendedError
from keepline.gateway.isolation.isolation import BLOCKED_FOR_S
from keepline.gateway.isolation.watchdog import Culprit
from keepline.lifecycle.faults import Fault, Source
from keepline.monitor.alerts.incidents import Incident
from tests.unit.gateway.fakes import World

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
