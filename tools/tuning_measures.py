"""Measures what has a number move by itself, or stay: a few seconds each.

`python -m tools.tuning_measures` prints the tables of decision 36. Costs are CPU time of this
machine, of a gateway's own sessions without a network; what is said and heard is virtual.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import uvloop

from keepline.clock import SystemClock
from keepline.gateway.backlog import Backlog, Put
from keepline.gateway.census import SLICE, Census
from keepline.gateway.cleanup import cleanup
from keepline.gateway.tuning.inboxes import Inboxes
from keepline.lifecycle.states import Event
from keepline.reasons import CloseReason
from keepline.simulation.faults import Mixture
from keepline.simulation.world import Mix, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepline.gateway.node import Node

CPU: Final = SystemClock().thread_cpu
SESSIONS: Final = 1_000
TURNS: Final = 20_000
SIZES: Final = (1, 4, 16, 32, 64, 256)

FRAME_S: Final = 0.06
QUICK_S: Final = 0.002
SPEECH_S: Final = 30.0
FRAMES: Final = (16, 32, 64, 128, 256)


def _node_with_sessions() -> World:
    world = World(1, Mix(devices=SESSIONS, talk=0.0, ask_every_s=1e9), mixture=Mixture({}, 0.0))
    world.begin()
    world.live(0.02)
    return world


def _least(measure: Callable[[], float], times: int = 5) -> float:
    return min(measure() for _ in range(times))


def census_s(node: Node) -> float:
    """Return what counting one session takes."""
    sessions = list(node.registry)

    def once() -> float:
        began, census = CPU(), Census()
        for first in range(0, len(sessions), SLICE):
            census.count(sessions[first : first + SLICE], 0.0)
        return CPU() - began

    return _least(once) / len(sessions)


def ping_s(node: Node) -> float:
    """Return what a look at one connection takes that comes to a ping."""
    connections = [session.connection for session in node.registry]

    def once() -> float:
        for connection in connections:
            connection.heartbeat.last_rx = node.ticker.now - 60.0
            connection.heartbeat.asked_at = node.ticker.now - 61.0
        began = CPU()
        for connection in connections:
            connection.on_due(node.ticker.now)
        return CPU() - began

    return _least(once) / len(connections)


def cleanup_s(node: Node) -> float:
    """Return what one cleanup takes; nobody is left after it."""
    connections = [session.connection for session in node.registry]
    for connection in connections:
        connection.lifecycle.receive(
            Event.TRANSPORT_LOST, node.ticker.now, CloseReason.DEVICE_RESET
        )
    began = CPU()
    for connection in connections:
        cleanup(connection)
    return (CPU() - began) / len(connections)


def turn_s() -> float:
    """Return what a turn of the loop takes in which nothing else is done."""

    async def turns() -> float:
        began = CPU()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return (CPU() - began) / TURNS

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return _least(lambda: runner.run(turns()), 3)


def heard(frames: int, pause_s: float, each_s: float, every_s: float) -> tuple[int, float]:
    """Return what of 30 s of speech is lost, and how late the latest is heard.

    The handler takes `each_s` for a frame, and `pause_s` for the first of each `every_s`.
    """
    backlog: Backlog[float] = Backlog(audio_limit=frames, control_limit=1, bytes_limit=1 << 30)
    lost, latest_s, free_at, pause_at = 0, 0.0, 0.0, 3.0
    said = [n * FRAME_S for n in range(int(SPEECH_S / FRAME_S))]
    for now in [*said, *(SPEECH_S + n * FRAME_S for n in range(1_000))]:
        while free_at <= now and (at := backlog.take()) is not None:
            begins = max(free_at, at)
            latest_s = max(latest_s, begins - at)
            takes_s = each_s
            if begins >= pause_at:
                takes_s, pause_at = pause_s, pause_at + every_s
            free_at = begins + takes_s
        if now < SPEECH_S:
            lost += backlog.put(now, 1, audio=True) is Put.DROPPED_AUDIO
    return lost, latest_s


def learned_frames() -> list[int]:
    """Return how much room there is, pause after pause of 8 s in speech of 30."""
    inboxes, found = Inboxes(64), [64]
    for _ in range(4):
        lost, _ = heard(inboxes.frames, 8.0, QUICK_S, 100.0)
        for _ in range(lost):
            inboxes.lost_by("the only device", waited_s=8.0)
        inboxes.note(depth=64)
        inboxes.note(depth=0, alone=True)
        found.append(inboxes.frames)
    return found


def lines() -> Iterator[str]:
    """Yield the tables."""
    turn = turn_s()
    world = _node_with_sessions()
    assert world.host.life is not None
    node = world.host.life.node
    census, ping, leave = census_s(node), ping_s(node), cleanup_s(node)
    world.close()
    costs = (f"{1e6 * each:.1f} µs" for each in (turn, ping, leave))
    yield "a turn of the loop {}, a ping {}, an end {}".format(*costs)
    yield f"a session looked at {census * 1e6:.2f} µs: of a core, at 15,000 sessions,"
    for period_s in (1.0, 5.0, 20.0):
        yield f"  every {period_s:g} s: {100 * 15_000 * census / period_s:.2f} %"
    yield ""
    yield "| in a turn | pings take | the turn's share | ends take | the turn's share |"
    yield "|---:|---:|---:|---:|---:|"
    for size in SIZES:
        cells = (
            cell
            for each in (ping, leave)
            for cell in (
                f"{size * each * 1e3:.2f} ms",
                f"{100 * turn / (turn + size * each):.1f} %",
            )
        )
        yield f"| {size} | {' | '.join(cells)} |"
    yield ""
    yield "| frames | pause of 2 s | 5 s | 10 s | 80 ms for each of 60 |"
    yield "|---:|---:|---:|---:|---:|"
    for frames in FRAMES:
        found = [heard(frames, pause_s, QUICK_S, 100.0) for pause_s in (2.0, 5.0, 10.0)]
        found.append(heard(frames, 0.08, 0.08, 100.0))
        told = " | ".join(f"{lost} lost, {late_s:.1f} s late" for lost, late_s in found)
        yield f"| {frames} | {told} |"
    yield ""
    yield f"with pauses of 8 s there is room for {', '.join(map(str, learned_frames()))} frames"


def main() -> None:
    """Print the tables."""
    for line in lines():
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
