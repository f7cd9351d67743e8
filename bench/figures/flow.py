"""CPU per accepted device and per echoed frame, while nothing else happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.processes import Load, Server, loading, running
from bench.procfs import open_files
from bench.readings import Reading, Readings
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.candidates import Candidate
    from bench.plan import Plan

_WARM_UP = 100
_QUIET_INTERVAL_S = 50.0  # no ping falls into these windows


def measure_flow(candidate: Candidate, plan: Plan) -> Readings:
    """`accept_us`, `leave_us` and `echo_us`: CPU of the server's process tree, in microseconds."""
    with running(candidate, interval_s=_QUIET_INTERVAL_S) as server, loading(server) as load:
        files_before = open_files(server.pid)
        _come_and_go(server, load, _WARM_UP, files_before)
        rounds = [
            _come_and_go(server, load, plan.accepted, files_before)
            for _ in range(plan.accept_repeats)
        ]
        load.connect(plan.echo_devices)
        echoes = [_echo(server, load, plan) for _ in range(plan.echo_repeats)]
    came, left = [arrival for arrival, _ in rounds], [departure for _, departure in rounds]
    return {
        "accept_us": _per_piece(came, [plan.accepted] * len(came)),
        "leave_us": _per_piece(left, [plan.accepted] * len(left)),
        "echo_us": _per_piece([window for window, _ in echoes], [done for _, done in echoes]),
    }


def _come_and_go(server: Server, load: Load, count: int, files: int) -> tuple[Window, Window]:
    with Window(server, [load]) as coming:
        load.connect(count)
        server.await_rest(within_s=20)
    with Window(server, [load]) as leaving:
        load.order("leave", 30)
        server.await_open_files(files + 2, within_s=20)
        server.await_rest(within_s=20)
    return coming, leaving


def _echo(server: Server, load: Load, plan: Plan) -> tuple[Window, int]:
    with Window(server, [load]) as window:
        order = {"devices": plan.echo_devices, "for_s": plan.echo_s}
        answer = load.order("echo", plan.echo_s + 15, **order)
    return window, answer["echoed"]


def _per_piece(windows: list[Window], pieces: list[int]) -> Reading:
    values = [
        window.server.ran_ns / 1000 / count for window, count in zip(windows, pieces, strict=True)
    ]
    facts, doubts = merged(windows)
    return Reading("µs", values, facts | {"pieces": float(sum(pieces))}, doubts)
