"""Everybody talks at once, then nobody: what it took, what is given back, who has to wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.figures.life import IDLE_SLACK_S
from bench.processes import loading, running
from bench.procfs import highest_kib, resident_kib
from bench.readings import Reading, Readings
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.candidates import Candidate
    from bench.plan import Plan

_KIB = 1_024
_SPOKEN_WITHIN_S = 180.0


def measure_burst(candidate: Candidate, plan: Plan) -> Readings:
    """`burst_*`: a turn of everybody's is recorded, and then played, by the built-in echo."""
    if not candidate.has_metrics:
        return {}
    count, frames = plan.burst_devices, plan.burst_frames
    turn = {"devices": count, "frames": frames}
    with (
        running(candidate, idle_after_s=plan.idle_after_s) as server,
        loading(server) as fleet,
        loading(server) as prober,
    ):
        fleet.connect(count)
        fleet.order("converse", 30 + count / 100, devices=count, frames=plan.frames_each)
        prober.connect(1)
        time.sleep(plan.idle_after_s + IDLE_SLACK_S)
        before_kib = resident_kib(server.pid)
        fleet.order("say", _SPOKEN_WITHIN_S, **turn)
        server.await_rest(_SPOKEN_WITHIN_S)
        spoken_kib = resident_kib(server.pid)
        fleet.order("hear", _SPOKEN_WITHIN_S, **turn)
        peak_kib = highest_kib(server.pid)
        with Window(server, [fleet, prober]) as quiet:
            order = {"every_s": plan.probe_every_s, "for_s": plan.burst_quiet_s}
            found = prober.order("probe", plan.burst_quiet_s + 15, **order)
        after_kib = resident_kib(server.pid)
    grown_kib = max(1, peak_kib - before_kib)
    memory = {
        "before_kib": float(before_kib),
        "spoken_kib": float(spoken_kib),
        "peak_kib": float(peak_kib),
        "after_kib": float(after_kib),
        "quiet_s": plan.burst_quiet_s,
    }
    facts, doubts = merged([quiet], of_latency=True)
    facts["unanswered"] = float(found["sent"] - len(found["rtts_s"]))
    given_back = 100 * (peak_kib - after_kib) / grown_kib
    return {
        "burst_grown": Reading("MiB", [grown_kib / _KIB], memory),
        "burst_given_back": Reading("%", [given_back], memory),
        "burst_wait": Reading("ms", [1000 * max(found["rtts_s"])], facts, doubts),
    }
