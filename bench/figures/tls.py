"""What TLS in the gateway costs: the same few sessions without it and with it, in one run."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.candidates import KEEPLINE, Candidate, Start
from bench.certificate import write_certificate
from bench.processes import Load, Server, loading, running
from bench.procfs import memory, open_files
from bench.readings import Reading, Readings
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.plan import Plan

_WARM_UP = 50  # they pay for what is allocated once, and leave
_IDLE_SLACK_S = 1.0


def measure_tls(candidate: Candidate, plan: Plan) -> Readings:
    """`accept_`, `ping_` and `rss_` with `plain` and `tls`; Keepline's alone."""
    if candidate.name != KEEPLINE:
        return {}
    return _live(candidate, plan, tls=False) | _live(_encrypted(candidate), plan, tls=True)


def _encrypted(candidate: Candidate) -> Candidate:
    def command(start: Start) -> list[str]:
        pair = write_certificate(start.folder)
        return [*candidate.command(start), "--set", f"tls.certificate={pair}"]

    return replace(candidate, command=command)


def _live(candidate: Candidate, plan: Plan, *, tls: bool) -> Readings:
    paces = {"interval_s": plan.ping_interval_s, "idle_after_s": plan.idle_after_s}
    with running(candidate, **paces) as server, loading(server) as load:
        files_before = open_files(server.pid)
        load.connect(_WARM_UP, tls=tls)
        load.order("leave", 10)
        server.await_open_files(files_before + 2, within_s=20)
        empty_kib = memory(server.pid).rss_kib
        with Window(server, [load]) as coming:
            load.connect(plan.encrypted, tls=tls)
        load.order("converse", 60, devices=plan.encrypted, frames=plan.frames_each)
        time.sleep(plan.idle_after_s + _IDLE_SLACK_S)
        windows = [_pinged(server, load, plan) for _ in range(plan.ping_windows)]
        held_kib = memory(server.pid).rss_kib - empty_kib
    kind = "tls" if tls else "plain"
    came_facts, came_doubts = merged([coming])
    ping_facts, ping_doubts = merged([window for window, _ in windows])
    accepted_us = coming.server.ran_ns / 1000 / plan.encrypted
    pings_us = [window.server.ran_ns / 1000 / max(1, pings) for window, pings in windows]
    return {
        f"accept_{kind}_us": Reading("µs", [accepted_us], came_facts, came_doubts),
        f"rss_{kind}": Reading("KiB", [held_kib / plan.encrypted]),
        f"ping_{kind}": Reading("µs", pings_us, ping_facts, ping_doubts),
    }


def _pinged(server: Server, load: Load, plan: Plan) -> tuple[Window, int]:
    before = load.pings()
    with Window(server, [load]) as window:
        time.sleep(plan.ping_window_s)
        after = load.pings()
    return window, after - before
