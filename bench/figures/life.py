"""Sessions that live: connect, talk, go idle under pings. What they hold, cost and give back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.processes import Load, Server, loading, running
from bench.procfs import Memory, memory, open_files
from bench.readings import Reading, Readings
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.candidates import Candidate
    from bench.plan import Plan

_WARM_UP = 20  # they pay for what is allocated once, and leave
_ENOUGH_GIVEN_BACK = 0.95
_POLL_S = 0.5
IDLE_SLACK_S = 1.0  # after `idle_after_s`, until every session is idle for certain


def measure_life(candidate: Candidate, plan: Plan) -> Readings:
    """`rss_N`, `pss_N`, `dirty_N`, `ping_N` per fleet of N; `given_back_N` for the largest."""
    readings: Readings = {}
    for count in plan.fleets:
        readings |= _live(candidate, plan, count)
    return readings


def _live(candidate: Candidate, plan: Plan, count: int) -> Readings:
    paces = {"interval_s": plan.ping_interval_s, "idle_after_s": plan.idle_after_s}
    with running(candidate, **paces) as server, loading(server) as load:
        files_before = open_files(server.pid)
        load.connect(_WARM_UP)
        _talk(load, _WARM_UP, plan)
        load.order("leave", 10)
        server.await_open_files(files_before + 2, within_s=20)
        empty = memory(server.pid)

        load.connect(count)
        _talk(load, count, plan)
        time.sleep(plan.idle_after_s + IDLE_SLACK_S)
        windows = [_pinged(server, load, plan) for _ in range(plan.ping_windows)]
        full = memory(server.pid)
        own = _own_counts(server)

        load.order("leave", 60)
        server.await_open_files(files_before + 2, within_s=60)
        readings = _held(empty, full, count) | {f"ping_{count}": _per_ping(windows, own)}
        if count == plan.largest:
            given_back = _given_back(server, empty, full, plan.give_back_within_s)
            readings[f"given_back_{count}"] = given_back
    return readings


def _talk(load: Load, count: int, plan: Plan) -> None:
    load.order("converse", 30 + count / 100, devices=count, frames=plan.frames_each)


def _pinged(server: Server, load: Load, plan: Plan) -> tuple[Window, int]:
    before = load.pings()
    with Window(server, [load]) as window:
        time.sleep(plan.ping_window_s)
        after = load.pings()
    return window, after - before


def _own_counts(server: Server) -> dict[str, float]:
    """What the server says of its own heartbeats, where it counts them: no device died here."""
    if not server.candidate.has_metrics:
        return {}
    own = server.metrics()
    names = ("suspicions", "heartbeat_verdicts", "ping_failures", "loop_stalls")
    return {name: own[f"keepline_{name}_total"] for name in names}


def _per_ping(windows: list[tuple[Window, int]], own: dict[str, float]) -> Reading:
    values = [window.server.ran_ns / 1000 / max(1, pings) for window, pings in windows]
    facts, doubts = merged([window for window, _ in windows])
    facts |= own | {"pings": float(sum(pings for _, pings in windows))}
    if own.get("suspicions"):
        doubts.append("devices that answered were suspected")
    if not all(pings for _, pings in windows):
        doubts.append("a window without any ping")
    return Reading("µs", values, facts, doubts)


def _held(empty: Memory, full: Memory, count: int) -> Readings:
    def each(before_kib: int, after_kib: int) -> Reading:
        facts = {"before_kib": float(before_kib), "after_kib": float(after_kib)}
        return Reading("KiB", [(after_kib - before_kib) / count], facts)

    return {
        f"rss_{count}": each(empty.rss_kib, full.rss_kib),
        f"pss_{count}": each(empty.pss_kib, full.pss_kib),
        f"dirty_{count}": each(empty.private_dirty_kib, full.private_dirty_kib),
    }


def _given_back(server: Server, empty: Memory, full: Memory, within_s: float) -> Reading:
    held_kib = max(1, full.rss_kib - empty.rss_kib)
    began = time.monotonic()
    while True:
        rss_kib = memory(server.pid).rss_kib
        share = (full.rss_kib - rss_kib) / held_kib
        took_s = time.monotonic() - began
        if share >= _ENOUGH_GIVEN_BACK or took_s > within_s:
            facts = {"after_s": round(took_s, 1), "rss_left_kib": float(rss_kib - empty.rss_kib)}
            return Reading("%", [100 * share], facts)
        time.sleep(_POLL_S)
