"""How long anybody has to wait while a whole fleet idles under its usual pings."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from bench.figures.life import IDLE_SLACK_S
from bench.plan import PRODUCTION_INTERVAL_S, Plan
from bench.processes import Load, Server, loading, running
from bench.readings import Reading, Readings, percentile
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.candidates import Candidate

_LATE_S = 0.003  # epoll's own rounding is 1 ms
_AROUND_S = 0.4
SAMPLE_EVERY_S = 5.0  # as Keepline does unless it is told otherwise


def measure_stall(candidate: Candidate, plan: Plan) -> Readings:
    """`rtt_*` of a probe beside the idle fleet, `wake_*`, and what the idle fleet itself costs."""
    pace = None if candidate.has_metrics else PRODUCTION_INTERVAL_S
    with (
        running(candidate, interval_s=pace, idle_after_s=_idle_after_s(candidate, plan)) as server,
        loading(server) as fleet,
        loading(server) as prober,
        loading(server) as sleepers,
    ):
        with Window(server, [fleet]) as arriving:
            fleet.connect(plan.stall_fleet)
        fleet.order("converse", 180, devices=plan.stall_fleet, frames=plan.frames_each)
        sleepers.connect(plan.woken)
        sleepers.order("converse", 60, devices=plan.woken, frames=plan.frames_each)
        time.sleep(plan.idle_after_s + IDLE_SLACK_S)
        with Window(server, [fleet]) as idle:
            time.sleep(plan.idle_window_s)
        probes = [_probe(server, fleet, prober, plan) for _ in range(plan.probe_repeats)]
        actions = _actions(server, fleet, prober, plan)
        with Window(server, [fleet, sleepers]) as waking:
            # Over a whole interval: who wakes while many are pinged waits longer.
            order = {"devices": plan.woken, "every_s": plan.idle_window_s / plan.woken}
            woken_s: list[float] = sleepers.order("wake", 60, **order)["took_s"]
        own = _own_stalls(server)
    return {
        "accept_fleet_us": Reading("µs", [arriving.server.ran_ns / 1000 / plan.stall_fleet]),
        "idle_percent": Reading("%", [100 * idle.server_share], *merged([idle])),
        **_round_trips(probes),
        **_wakes(woken_s, waking),
        **actions,
        **own,
    }


def _idle_after_s(candidate: Candidate, plan: Plan) -> float | None:
    return plan.idle_after_s if candidate.has_metrics else None


def _probe(server: Server, fleet: Load, prober: Load, plan: Plan) -> tuple[Window, dict[str, Any]]:
    prober.connect(1)
    with Window(server, [fleet, prober]) as window:
        scraping = threading.Timer(plan.probe_s / 2, server.metrics)  # as Prometheus would
        if server.candidate.has_metrics:
            scraping.start()
        order = {"every_s": plan.probe_every_s, "for_s": plan.probe_s}
        found = prober.order("probe", plan.probe_s + 15, **order)
    return window, found


def _actions(server: Server, fleet: Load, prober: Load, plan: Plan) -> Readings:
    """The longest wait of the probe while one thing is done, beside that while nothing is.

    A sample is taken where the wall clock shows a multiple of its interval, a scrape when asked.
    """
    if not server.candidate.has_metrics:
        return {}
    found: dict[str, list[tuple[Window, dict[str, Any]]]] = {
        "sample": [],
        "scrape": [],
        "quiet": [],
    }
    for _ in range(plan.action_cycles):
        for action, at_s in (("sample", 0.0), ("scrape", 2.0), ("quiet", 3.5)):
            prober.connect(1)  # each probe takes a device of its own
            time.sleep((at_s - _AROUND_S - time.time()) % SAMPLE_EVERY_S)
            with Window(server, [fleet, prober]) as window:
                scraping = threading.Timer(_AROUND_S, server.metrics)
                if action == "scrape":
                    scraping.start()
                order = {"every_s": plan.probe_every_s, "for_s": 2 * _AROUND_S}
                seen = prober.order("probe", 15, **order)
            found[action].append((window, seen))
    return {f"{action}_wait": _longest(probes) for action, probes in found.items()}


def _longest(probes: list[tuple[Window, dict[str, Any]]]) -> Reading:
    facts, doubts = merged([window for window, _ in probes], of_latency=True)
    waits_ms = [1000 * max(found["rtts_s"]) for _, found in probes]
    return Reading("ms", waits_ms, facts, doubts)


def _round_trips(probes: list[tuple[Window, dict[str, Any]]]) -> Readings:
    facts, doubts = merged([window for window, _ in probes], of_latency=True)
    late_s = max(percentile(found["late_s"], 99) for _, found in probes)
    facts["probe_late_p99_ms"] = round(late_s * 1000, 2)
    facts["unanswered"] = float(sum(found["sent"] - len(found["rtts_s"]) for _, found in probes))
    if late_s > _LATE_S:
        doubts.append(f"the probe itself woke {late_s * 1000:.0f} ms late (p99)")

    def reading(percent: float) -> Reading:
        values = [1000 * percentile(found["rtts_s"], percent) for _, found in probes]
        return Reading("ms", values, facts, doubts)

    return {"rtt_p50": reading(50), "rtt_p99": reading(99), "rtt_max": reading(100)}


def _wakes(woken_s: list[float], window: Window) -> Readings:
    facts, doubts = merged([window], of_latency=True)

    def reading(percent: float) -> Reading:
        return Reading("ms", [1000 * percentile(woken_s, percent)], facts, doubts)

    return {"wake_p50": reading(50), "wake_p99": reading(99), "wake_max": reading(100)}


def _own_stalls(server: Server) -> Readings:
    """What the server itself counted as time its loop stood still, where it counts that."""
    if not server.candidate.has_metrics:
        return {}
    own = server.metrics()
    facts = {"stalls": own["keepline_loop_stalls_total"]}
    stalled_ms = 1000 * own["keepline_loop_stalled_seconds_total"]
    return {"own_stalled": Reading("ms", [stalled_ms], facts)}
