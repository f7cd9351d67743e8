"""What good devices notice while one attacks, and what the attacker costs in memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from bench.candidates import KEEPLINE, PICOWS, TOKEN, WEBSOCKETS
from bench.load.attack import KINDS
from bench.load.crowd import LAST_ECHOES_S
from bench.processes import Load, Server, loading, running
from bench.procfs import resident_kib
from bench.readings import Reading, Readings, percentile
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.candidates import Candidate
    from bench.plan import Plan

QUIET = "quiet"
_QUIET_INTERVAL_S = 50.0
_SETTLE_S = 1.0
_ORDER_SLACK_S = 30.0
_SAMPLE_S = 0.2
_LATE_S = 0.003


def measure_hostile(candidate: Candidate, plan: Plan) -> Readings:
    """`good_p99_*` and `join_p95_*` for quiet and each attack, `grown_*` for each attack."""
    if candidate.name not in {KEEPLINE, PICOWS, WEBSOCKETS}:
        return {}
    readings: Readings = {}
    with (
        running(candidate, interval_s=_QUIET_INTERVAL_S) as server,
        loading(server) as crowd,
        loading(server) as attacker,
        ThreadPoolExecutor(max_workers=1) as beside,
    ):
        crowd.connect(plan.good_devices)
        _heard(server, crowd, plan, _SETTLE_S)  # what is allocated once
        with Window(server, [crowd]) as window:
            heard, _ = _heard(server, crowd, plan, plan.quiet_s)
        readings |= _told(QUIET, heard, window)
        for kind in KINDS:
            before_kib = resident_kib(server.pid)
            with Window(server, [crowd], beside=[attacker]) as window:
                attack = {"kind": kind, "port": server.port, "token": TOKEN}
                within_s = plan.attack_s + _ORDER_SLACK_S
                attacking = beside.submit(
                    attacker.order, "attack", within_s, **attack, for_s=plan.attack_s
                )
                heard, most_kib = _heard(server, crowd, plan, plan.attack_s)
                done = attacking.result()["done"]
            readings |= _told(kind, heard, window)
            grown_mib = max(0, most_kib - before_kib) / 1024
            readings[f"grown_{kind}"] = Reading("MiB", [grown_mib], {**done})
            time.sleep(_SETTLE_S)
    return readings


def _heard(server: Server, crowd: Load, plan: Plan, for_s: float) -> tuple[dict[str, Any], int]:
    """What the crowd heard, and the most memory that the server held meanwhile."""
    pace = {"every_s": plan.good_every_s, "join_every_s": plan.join_every_s, "for_s": for_s}
    with ThreadPoolExecutor(max_workers=1) as beside:
        target = {"port": server.port, "token": TOKEN}
        talking = beside.submit(crowd.order, "crowd", for_s + _ORDER_SLACK_S, **target, **pace)
        most_kib = 0
        while not talking.done():
            most_kib = max(most_kib, resident_kib(server.pid))
            time.sleep(_SAMPLE_S)
        return talking.result()["heard"], most_kib


def _told(kind: str, heard: dict[str, Any], window: Window) -> Readings:
    facts, doubts = merged([window], of_latency=True)
    late_s = percentile(heard["late_s"], 99)
    facts |= {
        "late_p99_ms": round(late_s * 1000, 2),
        "max_ms": round(max(heard["rtts_s"], default=0.0) * 1000, 2),
        "unanswered": float(heard["sent"] - len(heard["rtts_s"])),
        "not_joined": float(heard["joining"] - len(heard["joins_s"])),
        "lost": float(heard["lost"]),
    }
    if late_s > _LATE_S:
        doubts.append(f"the crowd itself woke {late_s * 1000:.0f} ms late (p99)")
    return {
        f"good_p99_{kind}": _reading(heard["rtts_s"], heard["sent"], 99, facts, doubts),
        f"join_p95_{kind}": _reading(heard["joins_s"], heard["joining"], 95, facts, doubts),
    }


def _reading(
    took_s: list[float], asked: int, percent: float, facts: dict[str, float], doubts: list[str]
) -> Reading:
    """What never came took as long as was waited for it, so that it is not forgotten."""
    never = [LAST_ECHOES_S] * (asked - len(took_s))
    return Reading("ms", [1000 * percentile([*took_s, *never], percent)], facts, doubts)
