"""What it costs to pass devices on: CPU per relayed frame, and memory per session that is idle.

The voice server behind is the floor's echo; the floor of the relay is a pair of sockets.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.candidates import CANDIDATES, FLOOR, KEEPLINE, Candidate, Start
from bench.processes import Server, loading, running
from bench.procfs import memory
from bench.readings import Reading, Readings
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.plan import Plan

_WARM_UP = 50
_QUIET_INTERVAL_S = 50.0  # no ping falls into these windows
_BOTH_WAYS = 2  # an echoed frame is passed on twice
_IDLE_SLACK_S = 2.0


def measure_relay(candidate: Candidate, plan: Plan) -> Readings:
    """`relay_us`, and of Keepline `rss_relay_held` and `rss_relay_lazy`.

    Held: each has its upstream; lazy: it has not spoken, and needs none.
    """
    if candidate.name not in {FLOOR, KEEPLINE}:
        return {}
    voice_server = next(each for each in CANDIDATES if each.name == FLOOR)
    with running(voice_server, interval_s=_QUIET_INTERVAL_S) as upstream:
        readings = {"relay_us": _passed_on(_relay(candidate, upstream), plan)}
        if candidate.name == KEEPLINE:
            held = _relay(candidate, upstream)
            lazy = _relay(candidate, upstream, "open=speech")
            readings["rss_relay_held"] = _weighed(held, plan, talking=True)
            readings["rss_relay_lazy"] = _weighed(lazy, plan, talking=False)
    return readings


def _relay(candidate: Candidate, upstream: Server, *settings: str) -> Candidate:
    def bare(start: Start) -> list[str]:
        options = ["--port", str(start.port), "--upstream-port", str(upstream.port)]
        return [sys.executable, "-m", "bench.servers.bare_relay", *options]

    def keepline(start: Start) -> list[str]:
        url = f"ws://127.0.0.1:{upstream.port}/xiaozhi/v1/"
        chosen = [word for each in settings for word in ("--set", f"relay.{each}")]
        return [*candidate.command(start), "--upstream", url, *chosen]

    return replace(candidate, command=bare if candidate.name == FLOOR else keepline)


def _passed_on(relay: Candidate, plan: Plan) -> Reading:
    with running(relay, interval_s=_QUIET_INTERVAL_S) as server, loading(server) as load:
        load.connect(plan.echo_devices)
        windows, frames = [], []
        for _ in range(plan.echo_repeats):
            with Window(server, [load]) as window:
                order = {"devices": plan.echo_devices, "for_s": plan.echo_s}
                answer = load.order("echo", plan.echo_s + 15, **order)
            windows.append(window)
            frames.append(answer["echoed"] * _BOTH_WAYS)
    values = [
        window.server.ran_ns / 1000 / count for window, count in zip(windows, frames, strict=True)
    ]
    facts, doubts = merged(windows)
    return Reading("µs", values, facts | {"pieces": float(sum(frames))}, doubts)


def _weighed(relay: Candidate, plan: Plan, *, talking: bool) -> Reading:
    with running(relay, idle_after_s=plan.idle_after_s) as server, loading(server) as load:
        load.connect(_WARM_UP)
        empty_kib = memory(server.pid).rss_kib
        load.connect(plan.encrypted)
        if talking:
            load.order("converse", 60, devices=plan.encrypted, frames=plan.frames_each)
        time.sleep(plan.idle_after_s + _IDLE_SLACK_S)
        held_kib = memory(server.pid).rss_kib - empty_kib
    return Reading("KiB", [held_kib / plan.encrypted])
