"""Answers of several workers made one. Pure: JSON documents come in, one goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Document: TypeAlias = "dict[str, Any]"
Answers: TypeAlias = "Mapping[int, Document]"
"""Documents by the slot of the worker that gave it; at least one."""

NUMBERED: Final = 100
"""Alert 3 of worker 2 is number 302 of the machine."""

_PHASES: Final = (
    "unready",
    "planning",
    "paused",
    "leaving",
    "forcing",
    "saving",
    "ended",
    "aborted",
    "none",
)
"""Of a drain; a machine is in the first of these in which one of its workers is."""


def readiness(answers: Answers) -> Document:
    """One worker that is ready is enough; else the machine is what most can be done about."""
    for each in answers.values():
        if each["ready"]:
            return each
    found = dict(next(iter(answers.values())))
    if any(each.get("drain") for each in answers.values()):
        found["reason"] = "draining"
        found["drain"] = leaving(answers)
    return found


def leaving(answers: Answers) -> Document:
    """How far those are that leave, in short; there is one at least."""
    drains = [each["drain"] for each in answers.values() if each.get("drain")]
    return {
        "phase": _phase([each["phase"] for each in drains]),
        "left": sum(each["left"] for each in drains),
        "eta_s": max(each["eta_s"] for each in drains),
    }


def sessions(answers: Answers, limit: int, *, whole: bool) -> Document:
    """One page of all: claims are numbered for all together. Who has not answered is missing."""
    found = sorted(
        (each for answer in answers.values() for each in answer["sessions"]),
        key=lambda each: each["claim"],
    )
    limit += sum(not each["claim"] for each in found)
    more = len(found) > limit or any(each["next"] is not None for each in answers.values())
    found = found[:limit]
    silent = not whole or any(each["former"] == "silent" for each in answers.values())
    return {
        "total": sum(each["total"] for each in answers.values()),
        "sessions": found,
        "next": found[-1]["claim"] if more and found else None,
        "former": "silent" if silent else "none",
    }


def table(answers: Answers, limit: int) -> Document:
    """One page of the dashboard's table: places are comparable, so all go on behind one of them.

    They have moments in attentive time, which of each worker is less its own stalls: rows of two
    workers may stand in the wrong order by what one was stalled longer than the other.
    """
    views = list(answers.values())
    # Behind this one of them may have rows that it has not told.
    ends = [each["next"] for each in views if each["next"] is not None]
    end = min(ends, key=_place, default=None)
    rows = [row for each in views for row in zip(each["places"], each["sessions"], strict=True)]
    rows = [row for row in rows if end is None or _place(row[0]) <= _place(end)]
    rows.sort(key=lambda row: _place(row[0]))
    page = rows[:limit]
    return {
        "total": sum(each["total"] for each in views),
        "matching": sum(each["matching"] for each in views),
        "sessions": [session for _, session in page],
        "places": [place for place, _ in page],
        "next": page[-1][0] if len(rows) > limit else end,
    }


def events(answers: Answers, limit: int) -> Document:
    """The newest events of one device, oldest first, under numbers of the machine.

    There is no going on behind one: `next` is 0, which is to be asked of one worker.
    """
    found = [
        {**each, "id": each["id"] * NUMBERED + slot, "worker": slot}
        for slot, answer in answers.items()
        for each in answer["events"]
    ]
    found.sort(key=lambda each: each["at"])
    return {"events": found[-limit:], "next": 0}


def device(answers: Answers) -> Document:
    """What all know of one device; the session is where it is."""
    known = list(answers.values())
    found = dict(next((each for each in known if each["session"]), known[0]))
    found["endings"] = _latest(known, "endings")
    found["refusals"] = _latest(known, "refusals")
    found["totals"] = _totals([each["totals"] for each in known if each["totals"]])
    found["next"] = None  # pages of one worker are asked of that one
    if any(each["store"] == "away" for each in known):
        found["store"] = "away"
    return found


def drain(answers: Answers) -> Document:
    """A machine leaves when its workers do: numbers are summed, times are the longest."""
    views = list(answers.values())
    found = dict(views[0])
    found["phase"] = _phase([each["phase"] for each in views])
    found["binding"] = any(each["binding"] for each in views)
    summed = ("left", "talking", "unsaved", "sent", "forced", "cut", "dropped", "told")
    for name in (*summed, "confirmed", "timed_out"):
        found[name] = sum(each[name] for each in views)
    found["elapsed_s"] = max(each["elapsed_s"] for each in views)
    found["eta_s"] = max(each["eta_s"] for each in views)
    found["rate"] = min(each["rate"] for each in views)
    plans = [each["plan"] for each in views if each["plan"]]
    found["plan"] = _plan(plans) if plans else None
    return found


def alerts(answers: Answers) -> Document:
    """All alerts, under numbers of the machine, each with the `worker` that has it."""
    found: Document = {"open": [], "recent": [], "silences": []}
    for slot, answer in answers.items():
        for name, all_of_them in found.items():
            all_of_them += [of_machine(slot, each) for each in answer[name]]
    found["open"].sort(key=lambda each: (each["severity"] != "high", each["since"]))
    found["recent"].sort(key=lambda each: each["resolved_at"] or "", reverse=True)
    return found


def of_machine(slot: int, numbered: Document) -> Document:
    """Return an alert or a silence of one worker under its number of the machine."""
    number = numbered["number"] * NUMBERED + slot
    return {**numbered, "number": number, "worker": slot}


def of_worker(number: int) -> tuple[int, int]:
    """Return slot and own number of what has this number of the machine."""
    own, slot = divmod(number, NUMBERED)
    return slot, own


def bans(answers: Answers) -> Document:
    """Who is held up by any worker."""
    found = [
        {**each, "worker": slot} for slot, answer in answers.items() for each in answer["bans"]
    ]
    return {"bans": sorted(found, key=lambda each: each["held_s"])}


def _place(told: str) -> tuple[float, int, str]:
    key, claim, session_id = told.split("~", 2)
    return float(key), int(claim), session_id


def _phase(phases: list[str]) -> str:
    return min(phases, key=_PHASES.index)


def _plan(plans: list[Document]) -> Document:
    found = dict(plans[0])
    for name in ("devices", "rate_per_s", "own_rate_per_s"):
        found[name] = round(sum(each[name] for each in plans), 1)
    for name in ("turn_s", "wait_s", "limit_s", "waves_s", "eta_s"):
        found[name] = max(each[name] for each in plans)
    found["fits"] = all(each["fits"] for each in plans)
    found["waves"] = [
        _wave(list(waves)) for waves in zip(*(each["waves"] for each in plans), strict=True)
    ]
    return found


def _wave(waves: list[Document]) -> Document:
    names = ("devices", "never", "told", "by_itself", "cut")
    return {"wave": waves[0]["wave"], **{name: sum(each[name] for each in waves) for name in names}}


def _latest(known: list[Document], name: str) -> list[Document]:
    longest = max(len(each[name]) for each in known)
    found = [ending for each in known for ending in each[name]]
    return sorted(found, key=lambda each: each["at"], reverse=True)[:longest]


def _totals(totals: list[Document]) -> Document | None:
    if not totals:
        return None
    timed = [each for each in totals if each["average_rtt_s"] is not None]
    pongs = sum(max(1, each["pings"]) for each in timed)
    weighed = sum(each["average_rtt_s"] * max(1, each["pings"]) for each in timed)
    summed = ("sessions", "resumed", "connected_s", "pings", "ping_failures")
    return {
        "first_at": min(each["first_at"] for each in totals),
        "last_at": max(each["last_at"] for each in totals),
        **{name: sum(each[name] for each in totals) for name in summed},
        "average_rtt_s": weighed / pongs if timed else None,
    }
