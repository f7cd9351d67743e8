"""A whole fleet leaves by plan: how long that takes, what is lost, who has to wait meanwhile."""

from __future__ import annotations

import json
import signal
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.candidates import TOKEN, Candidate, Start
from bench.figures.life import IDLE_SLACK_S
from bench.processes import Load, Server, loading, running_in
from bench.readings import BenchError, Reading, Readings
from bench.servers.keeping import STALLS
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.plan import Plan

_INTERVAL_S = 15.0
_LEAVE_WITHIN_S = 60.0
_BEGIN_S = 1.0
_ELSEWHERE = "ws://127.0.0.1:9/"  # devices only note when they would go there


def measure_drain(candidate: Candidate, plan: Plan) -> Readings:
    """`drain_*`: SIGTERM to a full gateway whose every session has a state and a message."""
    if not candidate.has_metrics:
        return {}
    keeping = replace(candidate, command=lambda start: _command(candidate, start))
    paces = (_INTERVAL_S, plan.idle_after_s)
    count = plan.leaving
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with running_in(folder, keeping, *paces) as server, loading(server) as load:
            first = _kept(load, server, count, first=0)["first"]
            time.sleep(plan.idle_after_s + IDLE_SLACK_S)
            left = _leave(server, load)
            saved = _saved(folder)
            with running_in(folder, keeping, *paces) as heir:
                before = load.order("count", 5)["resumed"]
                back = _kept(load, heir, count, first=first)
        whole = min(saved, back["resumed"] - before, back["told_now"])
    return {**left, "drain_lost": Reading("sessions", [float(count - whole)])}


def _command(candidate: Candidate, start: Start) -> list[str]:
    command = ["env", f"{STALLS}={start.folder / 'stalls.json'}", *candidate.command(start)]
    return [*command, "--set", f"drain.target={_ELSEWHERE}", "bench.servers.keeping:Keeping"]


def _kept(load: Load, server: Server, count: int, *, first: int) -> dict[str, Any]:
    target = {"port": server.port, "token": TOKEN}
    within_s = 30 + count / 100
    answer = load.order("keep", within_s, count=count, first=first, **target)
    if answer["refused"]:
        raise BenchError(f"{answer['refused']} devices refused: {answer['last_refusal']}")
    return answer


def _leave(server: Server, load: Load) -> Readings:
    with ThreadPoolExecutor(max_workers=1) as beside:
        leaving = beside.submit(load.order, "depart", _LEAVE_WITHIN_S)
        time.sleep(_BEGIN_S)
        with Window(server, [load]) as window:
            began_at = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            departed = leaving.result()["departed"]
        status = server.process.wait(_LEAVE_WITHIN_S)
        ended_at = time.monotonic()
    server.has_ended = True
    if status:
        raise BenchError(f"it ended with {status}")
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    [planned] = [line for line in lines if line["event"] == "drain_planned"]
    facts, doubts = merged([window])
    facts |= {
        "planned_s": planned["eta_s"],
        "process_s": round(ended_at - began_at, 2),
        "rate_per_s": planned["rate_per_s"],
        "closed": departed["closed"],
    }
    took_s = departed["gone_at"] - began_at
    return {
        "drain_s": Reading("s", [took_s], facts, doubts),
        "drain_of_plan": Reading("of plan", [took_s / planned["eta_s"]], facts, doubts),
        "drain_us": Reading("µs", [window.server.ran_ns / 1_000 / departed["gone"]], facts, doubts),
        "drain_peak": Reading("of rate", [departed["peak"] / planned["rate_per_s"]], facts),
        "drain_stall": _stall(server, began_at),
    }


def _stall(server: Server, began_at: float) -> Reading:
    seen = json.loads((server.folder / "stalls.json").read_text())
    stalls_ms = [1_000 * cpu_s for at, cpu_s in seen if at >= began_at]
    return Reading("ms", [max(stalls_ms, default=0.0)], {"above_3_ms": float(len(stalls_ms))})


def _saved(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "keepline.db")) as file:
        [(count,)] = file.execute("select count(*) from state where until is not null")
    return int(count)
