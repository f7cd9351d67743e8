"""The first page of several workers, from what each tells of itself."""

from __future__ import annotations

from typing import Any

from keepline.admin.machine.glance import glance


def view(**told: Any) -> dict[str, Any]:
    """Return what one worker says to whom it is well."""
    return {
        "at": "2026-01-01T00:00:00Z",
        "version": "1",
        "up_s": 5.0,
        "ready": True,
        "reason": "",
        "drain": None,
        "sessions": 10,
        "limit": 100,
        "sampled_at": "2026-01-01T00:00:00Z",
        "latest": {"connections": 10.0, "rtt_p50_s": 0.1},
        "thresholds": {"connections": 80.0, "rtt_p50_s": 0.5},
        "score": {"total": 100.0, "parts": []},
        "endings": [],
        "unattributed": None,
        "governor": governor(0.0),
        "alerts": [],
        **told,
    }


def governor(pressure: float, **told: Any) -> dict[str, Any]:
    door = {"limit": None, "judging": 1, "held": 2}
    actions = [{"action": "shed", "strength": pressure or None}]
    signals = [{"signal": "lag", "pressure": pressure}]
    found = {"pressure": pressure, "forced": None, "signals": signals, "actions": actions}
    return {**found, "door": door, **told}


def test_sessions_and_limits_are_added_up_and_round_trips_are_the_worst() -> None:
    latest = {"connections": 5.0, "rtt_p50_s": 0.4}
    found = glance({1: view(), 2: view(sessions=5, latest=latest)}, [1, 2])
    assert (found["sessions"], found["limit"]) == (15, 200)
    assert found["latest"] == {"connections": 15.0, "rtt_p50_s": 0.4}
    assert found["machine"] == {"workers": [1, 2], "silent": [], "worst": {"rtt_p50_s": 2}}


def test_a_sum_has_no_threshold_since_each_worker_judges_its_own() -> None:
    assert glance({1: view(), 2: view()}, [1, 2])["thresholds"] == {"rtt_p50_s": 0.5}


def test_who_has_not_answered_is_named() -> None:
    found = glance({2: view()}, [1, 2, 3])
    assert (found["sessions"], found["machine"]["silent"]) == (10, [1, 3])


def test_the_score_is_that_of_the_worst_worker() -> None:
    score = {"total": 40.0, "parts": []}
    assert glance({1: view(), 2: view(score=score)}, [1, 2])["score"] == {**score, "worker": 2}
    assert glance({1: view(score=None)}, [1])["score"] is None


def test_the_pressure_is_that_of_the_worst_and_each_tells_what_it_does() -> None:
    order = {"pressure": 0.5, "by": "me", "left_s": None}
    told = glance(
        {1: view(governor=governor(0.2, forced=order)), 2: view(governor=governor(0.9))}, [1, 2]
    )["governor"]
    assert (told["pressure"], told["worker"]) == (0.9, 2)
    assert told["signals"] == [{"signal": "lag", "pressure": 0.9}]
    assert [(each["worker"], each["strength"]) for each in told["actions"]] == [(1, 0.2), (2, 0.9)]
    assert told["forced"] == {**order, "worker": 1}
    assert told["door"] == {"limit": None, "judging": 2, "held": 4}


def test_endings_of_one_cause_are_added_up_and_shares_are_weighed() -> None:
    def ended(cause: str, total: int) -> dict[str, Any]:
        return {"initiator": "device", "cause": cause, "total": total, "lately": 1}

    found = glance(
        {
            1: view(endings=[ended("a", 30)], unattributed=0.1),
            2: view(endings=[ended("b", 8), ended("a", 2)], unattributed=0.5),
        },
        [1, 2],
    )
    assert [(each["cause"], each["total"], each["lately"]) for each in found["endings"]] == [
        ("a", 32, 2),
        ("b", 8, 1),
    ]
    assert found["unattributed"] == (30 * 0.1 + 10 * 0.5) / 40
    assert glance({1: view()}, [1])["unattributed"] is None


def test_a_machine_is_ready_while_one_worker_is_and_tells_of_those_that_leave() -> None:
    drain = {"phase": "leaving", "left": 3, "eta_s": 4.0}
    leaves = view(ready=False, reason="draining", drain=drain)
    found = glance({1: leaves, 2: view()}, [1, 2])
    assert (found["ready"], found["drain"]) == (True, drain)
    both = glance({1: leaves, 2: leaves}, [1, 2])
    assert (both["ready"], both["reason"], both["drain"]["left"]) == (False, "draining", 6)


def test_open_alerts_have_numbers_of_the_machine_and_the_worst_goes_first() -> None:
    def alert(severity: str) -> dict[str, Any]:
        return {"number": 1, "severity": severity, "since": "2026-01-01T00:00:00Z"}

    found = glance({1: view(alerts=[alert("medium")]), 2: view(alerts=[alert("high")])}, [1, 2])
    assert [(each["number"], each["worker"]) for each in found["alerts"]] == [(102, 2), (101, 1)]


def test_what_a_worker_told_is_not_changed() -> None:
    ending = {"initiator": "device", "cause": "a", "total": 1, "lately": 1}
    answers = {1: view(endings=[ending]), 2: view(endings=[dict(ending)])}
    glance(answers, [1, 2])
    assert answers[1]["endings"] == [{"initiator": "device", "cause": "a", "total": 1, "lately": 1}]
