"""A fleet that comes back within seconds: until when all are there, and what others notice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.candidates import KEEPLINE, TOKEN, WEBSOCKETS
from bench.load.crowd import LAST_ECHOES_S
from bench.processes import loading, running
from bench.procfs import open_files
from bench.readings import Reading, Readings, percentile
from bench.window import Window, merged

if TYPE_CHECKING:
    from bench.candidates import Candidate, Start
    from bench.plan import Plan
    from bench.processes import Load, Server

UNGOVERNED = "_ungoverned"
_QUIET_INTERVAL_S = 50.0
_ORDER_SLACK_S = 30.0
_GIVE_UP_S = 60.0  # after the last device's first try
_AFTER_S = 4.0  # heard beyond the last first try
_WARM_UP_PER_S = 1_500
_NEVER_S = 1e9
_LATE_S = 0.01


def measure_storm(candidate: Candidate, plan: Plan) -> Readings:
    """`storm_*` over seconds and `rush_*` in one; Keepline's also with its governor off.

    On, off, off, on: what the machine does in one half of the time favours nobody.
    """
    if candidate.name not in {KEEPLINE, WEBSOCKETS}:
        return {}
    readings: Readings = {}
    for number in range(plan.storm_rounds):
        rounds = [("", candidate)]
        if candidate.name == KEEPLINE:
            rounds.append((UNGOVERNED, _ungoverned(candidate)))
        for suffix, one in rounds[:: 1 if number % 2 == 0 else -1]:
            for name, reading in _measured(one, plan).items():
                before = readings.get(name + suffix)
                readings[name + suffix] = reading if before is None else before.and_then(reading)
    return readings


def _ungoverned(candidate: Candidate) -> Candidate:
    def command(start: Start) -> list[str]:
        return [*candidate.command(start), "--set", "governor.enabled=false"]

    return replace(candidate, command=command)


def _measured(candidate: Candidate, plan: Plan) -> Readings:
    readings: Readings = {}
    with running(candidate, interval_s=_QUIET_INTERVAL_S) as server, loading(server) as fleet:
        files = open_files(server.pid)
        _blow(fleet, plan.storm_devices, plan.storm_devices / _WARM_UP_PER_S)
        for name, over_s in (("storm", plan.storm_s), ("rush", plan.rush_s)):
            fleet.order("leave", _ORDER_SLACK_S)
            server.await_open_files(files + 2, within_s=_ORDER_SLACK_S)
            server.await_rest(within_s=_ORDER_SLACK_S)
            with loading(server) as crowd:
                crowd.connect(plan.good_devices)
                readings |= _one(name, server, (crowd, fleet), plan, over_s)
    return readings


def _one(
    name: str, server: Server, loads: tuple[Load, Load], plan: Plan, over_s: float
) -> Readings:
    crowd, fleet = loads
    with (
        Window(server, [crowd], beside=[fleet]) as window,
        ThreadPoolExecutor(max_workers=1) as beside,
    ):
        blowing = beside.submit(_blow, fleet, plan.storm_devices, over_s)
        heard = _heard(crowd, plan, over_s + _AFTER_S)
        blown = blowing.result()
    return _told(name, heard, blown, window)


def _heard(crowd: Load, plan: Plan, for_s: float) -> dict[str, Any]:
    pace = {"every_s": plan.good_every_s, "join_every_s": _NEVER_S, "for_s": for_s}
    target = {"port": crowd.port, "token": TOKEN}
    answer = crowd.order("crowd", for_s + _ORDER_SLACK_S, **target, **pace)
    heard: dict[str, Any] = answer["heard"]
    return heard


def _blow(fleet: Load, count: int, over_s: float) -> dict[str, Any]:
    within_s = over_s + _GIVE_UP_S
    order = {"count": count, "over_s": over_s, "give_up_s": within_s}
    target = {"port": fleet.port, "token": TOKEN}
    answer = fleet.order("storm", within_s + _ORDER_SLACK_S, **order, **target)
    blown: dict[str, Any] = answer["blown"]
    return blown


def _told(name: str, heard: dict[str, Any], blown: dict[str, Any], window: Window) -> Readings:
    facts, doubts = merged([window], of_latency=True)
    fleet_late_s = percentile(blown["late_s"], 99)
    facts |= {
        "fleet_late_p99_ms": round(fleet_late_s * 1000, 2),
        "crowd_late_p99_ms": round(percentile(heard["late_s"], 99) * 1000, 2),
        "refused": float(blown["refused"]),
        "dropped": float(blown["dropped"]),
        "lost": float(heard["lost"]),
    }
    if fleet_late_s > _LATE_S:
        doubts.append(f"the fleet itself was {fleet_late_s * 1000:.0f} ms late (p99)")
    # What never came took as long as was waited for it, so that it is not forgotten.
    rtts_s = heard["rtts_s"] + [LAST_ECHOES_S] * (heard["sent"] - len(heard["rtts_s"]))
    took_s = blown["took_s"] + [_GIVE_UP_S] * blown["missing"]
    failed = 100 * blown["missing"] / len(took_s)
    return {
        f"{name}_over": Reading("s", [blown["over_s"]], facts, doubts),
        f"{name}_join_p99": Reading("ms", [1000 * percentile(took_s, 99)], facts, doubts),
        f"{name}_good_p99": Reading("ms", [1000 * percentile(rtts_s, 99)], facts, doubts),
        f"{name}_stall": Reading("ms", [1000 * max(rtts_s)], facts, doubts),
        f"{name}_failed": Reading("%", [failed], facts, doubts),
    }
