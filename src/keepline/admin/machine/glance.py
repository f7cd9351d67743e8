"""The dashboard's first page of several workers. Pure: JSON documents come in, one goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keepline.admin.machine import combined, summed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.admin.machine.combined import Answers, Document


def glance(answers: Answers, slots: Sequence[int]) -> Document:
    """Return the glance of the machine; `slots` are all workers there should be.

    Beside what one worker tells it has `machine`: its `workers`, who is `silent`, and under
    `worst` by gauge whose number it is. Score and pressure are those of the `worker` that has it
    worst; `thresholds` are left out for gauges that are added up, since each worker judges its own.
    """
    views = answers.values()
    sampled = {slot: each for slot, each in answers.items() if each["sampled_at"] is not None}
    numbers, whose = summed.latest({slot: each["latest"] for slot, each in answers.items()})
    found = dict(next(iter(views)))
    found |= combined.readiness(
        {
            slot: {name: each[name] for name in ("ready", "reason", "drain")}
            for slot, each in answers.items()
        }
    )
    if any(each["drain"] for each in views):
        found["drain"] = combined.leaving(answers)
    return {
        **found,
        "at": max(each["at"] for each in views),
        "up_s": max(each["up_s"] for each in views),
        "sessions": sum(each["sessions"] for each in views),
        "limit": sum(each["limit"] for each in views),
        "sampled_at": next((each["sampled_at"] for each in sampled.values()), None),
        "latest": numbers,
        "thresholds": {
            name: limit for name, limit in found["thresholds"].items() if name in summed.WORST
        },
        "score": _score(answers),
        "endings": _endings(answers),
        "unattributed": _unattributed(answers),
        "governor": _governor(answers),
        "alerts": _alerts(answers),
        "machine": {
            "workers": list(slots),
            "silent": [slot for slot in slots if slot not in answers],
            "worst": whose,
        },
    }


def _score(answers: Answers) -> Document | None:
    known = {slot: each["score"] for slot, each in answers.items() if each["score"]}
    if not known:
        return None
    worst = min(known, key=lambda slot: known[slot]["total"])
    return {**known[worst], "worker": worst}


def _endings(answers: Answers) -> list[Document]:
    found: dict[tuple[str, str], Document] = {}
    for each in (ending for answer in answers.values() for ending in answer["endings"]):
        key = each["initiator"], each["cause"]
        if key not in found:
            found[key] = dict(each)
        else:
            found[key]["total"] += each["total"]
            found[key]["lately"] += each["lately"]
    return sorted(found.values(), key=lambda each: -each["total"])


def _unattributed(answers: Answers) -> float | None:
    """Weigh each worker's share by how many have ended there."""
    ended = {
        slot: sum(each["total"] for each in answer["endings"]) for slot, answer in answers.items()
    }
    unknown = sum((answers[slot]["unattributed"] or 0.0) * count for slot, count in ended.items())
    return unknown / sum(ended.values()) if any(ended.values()) else None


def _governor(answers: Answers) -> Document:
    """Signals are those of who is pressed most; actions are told of each worker; doors add up."""
    governors = {slot: each["governor"] for slot, each in answers.items()}
    worst = max(governors, key=lambda slot: governors[slot]["pressure"])
    forced = [
        {**each["forced"], "worker": slot} for slot, each in governors.items() if each["forced"]
    ]
    actions = [
        {**action, "worker": slot} for slot, each in governors.items() for action in each["actions"]
    ]
    doors = [each["door"] for each in governors.values()]
    return {
        **governors[worst],
        "worker": worst,
        "forced": max(forced, key=lambda each: each["pressure"], default=None),
        "actions": actions,
        "door": {name: _sum([door[name] for door in doors]) for name in doors[0]},
    }


def _sum(numbers: list[Any]) -> float | None:
    return None if None in numbers else sum(numbers)


def _alerts(answers: Answers) -> list[Document]:
    found = [
        combined.of_machine(slot, each)
        for slot, answer in answers.items()
        for each in answer["alerts"]
    ]
    return sorted(found, key=lambda each: (each["severity"] != "high", each["since"]))
