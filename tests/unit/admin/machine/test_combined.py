"""Answers of workers made one, from documents as they are told."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.admin.machine import combined


def ready(**told: Any) -> dict[str, Any]:
    return {"ready": True, "reason": "", **told}


def leaving(phase: str, left: int, eta_s: float) -> dict[str, Any]:
    drain = {"phase": phase, "left": left, "eta_s": eta_s}
    return {"ready": False, "reason": "draining", "drain": drain}


def page(*claims: int, total: int | None = None, more: bool = False) -> dict[str, Any]:
    return {
        "total": len(claims) if total is None else total,
        "sessions": [{"claim": claim} for claim in claims],
        "next": claims[-1] if more else None,
        "former": "none",
    }


def drain(phase: str, **told: Any) -> dict[str, Any]:
    names = ("left", "talking", "unsaved", "sent", "forced", "cut", "dropped", "told")
    numbers = dict.fromkeys((*names, "confirmed", "timed_out"), 0)
    times = {"elapsed_s": 1.0, "eta_s": 2.0, "rate": 1.0}
    return {"phase": phase, "binding": False, "plan": None, **numbers, **times, **told}


def plan(devices: int, **told: Any) -> dict[str, Any]:
    wave = {"devices": devices, "never": devices, "told": 0, "by_itself": 0, "cut": 0}
    rates = {"rate_per_s": 100.0, "own_rate_per_s": 2_000.0}
    times = {"turn_s": 15.0, "wait_s": 20.0, "limit_s": 30.0, "waves_s": 1.0, "eta_s": 3.0}
    waves = [{"wave": "idle", **wave}]
    return {"devices": devices, "waves": waves, "fits": True, **rates, **times, **told}


def test_one_worker_that_is_ready_is_enough() -> None:
    assert combined.readiness({1: leaving("leaving", 3, 4.0), 2: ready()})["ready"] is True


def test_a_machine_leaves_when_all_do_and_says_how_many_are_left() -> None:
    told = combined.readiness({1: leaving("saving", 3, 4.0), 2: leaving("leaving", 5, 2.0)})
    assert told["reason"] == "draining"
    assert told["drain"] == {"phase": "leaving", "left": 8, "eta_s": 4.0}


def test_sessions_are_in_the_order_of_their_claims_whoever_has_them() -> None:
    told = combined.sessions({1: page(1, 4), 2: page(2, 3)}, 100, whole=True)
    assert [each["claim"] for each in told["sessions"]] == [1, 2, 3, 4]
    assert (told["total"], told["next"], told["former"]) == (4, None, "none")


def test_a_page_that_ends_goes_on_behind_its_last_claim() -> None:
    told = combined.sessions({1: page(1, 4, total=9, more=True), 2: page(2, 3)}, 3, whole=True)
    assert [each["claim"] for each in told["sessions"]] == [1, 2, 3]
    assert (told["total"], told["next"]) == (11, 3)


def test_who_has_not_answered_is_told_to_be_missing() -> None:
    assert combined.sessions({1: page(1)}, 100, whole=False)["former"] == "silent"


def test_a_device_is_where_its_session_is_and_its_past_is_everywhere() -> None:
    def known(session: Any, *ended: str, sessions: int = 0) -> dict[str, Any]:
        totals = {
            "first_at": "2026-01-01",
            "last_at": max(ended, default="2026-01-01"),
            "sessions": sessions,
            "resumed": 0,
            "connected_s": 10.0,
            "pings": 10 * sessions,
            "ping_failures": 0,
            "average_rtt_s": 0.1 * sessions,
        }
        return {
            "session": session,
            "store": "here",
            "next": None,
            "endings": [{"at": at} for at in ended],
            "refusals": [],
            "totals": totals if sessions else None,
        }

    told = combined.device({1: known(None, "2026-01-03", sessions=1), 2: known({"claim": 7})})
    assert told["session"] == {"claim": 7}
    assert [each["at"] for each in told["endings"]] == ["2026-01-03"]
    assert told["totals"]["sessions"] == 1

    both = combined.device(
        {1: known(None, "2026-01-03", sessions=1), 2: known(None, "2026-01-05", sessions=3)}
    )
    assert [each["at"] for each in both["endings"]] == ["2026-01-05"]  # as many as one tells
    assert both["totals"]["sessions"] == 4
    assert both["totals"]["average_rtt_s"] == pytest.approx((0.1 * 10 + 0.3 * 30) / 40)
    assert both["totals"]["last_at"] == "2026-01-05"


@pytest.mark.parametrize(
    ("phases", "whole"),
    [
        (("saving", "leaving"), "leaving"),
        (("ended", "saving"), "saving"),
        (("ended", "ended"), "ended"),
        (("ended", "none"), "ended"),  # who died meanwhile was started again
        (("none", "none"), "none"),
    ],
)
def test_a_machine_is_as_far_as_its_last_worker(phases: tuple[str, str], whole: str) -> None:
    views = {slot: drain(phase) for slot, phase in enumerate(phases, start=1)}
    assert combined.drain(views)["phase"] == whole


def test_a_drain_counts_all_devices_and_lasts_as_long_as_the_longest() -> None:
    views = {
        1: drain("leaving", left=3, sent=2, eta_s=5.0, rate=0.7, plan=plan(5)),
        2: drain("leaving", left=4, sent=1, eta_s=9.0, plan=plan(6, fits=False, eta_s=8.0)),
    }
    told = combined.drain(views)
    assert (told["left"], told["sent"], told["eta_s"], told["rate"]) == (7, 3, 9.0, 0.7)
    assert (told["plan"]["devices"], told["plan"]["rate_per_s"]) == (11, 200.0)
    assert (told["plan"]["eta_s"], told["plan"]["fits"]) == (8.0, False)
    assert told["plan"]["waves"][0]["devices"] == 11


def test_alerts_have_numbers_of_the_machine_that_lead_back_to_their_worker() -> None:
    def alert(number: int, severity: str, since: str) -> dict[str, Any]:
        return {"number": number, "severity": severity, "since": since, "resolved_at": None}

    told = combined.alerts(
        {
            1: {"open": [alert(3, "medium", "a")], "recent": [], "silences": []},
            2: {"open": [alert(3, "high", "b")], "recent": [], "silences": [{"number": 1}]},
        }
    )
    assert [(each["number"], each["worker"]) for each in told["open"]] == [(302, 2), (301, 1)]
    assert [each["number"] for each in told["silences"]] == [102]
    assert combined.of_worker(302) == (2, 3)


def test_who_is_held_up_by_any_worker_is_told_the_latest_first() -> None:
    told = combined.bans({1: {"bans": [{"held_s": 9.0}]}, 2: {"bans": [{"held_s": 2.0}]}})
    assert [(each["held_s"], each["worker"]) for each in told["bans"]] == [(2.0, 2), (9.0, 1)]


def rows(*keys: float, more: bool = False) -> dict[str, Any]:
    places = [f"{key}~{n}~s" for n, key in enumerate(keys)]
    return {
        "total": 9,
        "matching": len(keys) + more,
        "sessions": [{"key": key} for key in keys],
        "places": places,
        "next": places[-1] if more else None,
    }


def test_rows_of_the_table_stand_in_their_order_whoever_has_them() -> None:
    told = combined.table({1: rows(-10.5, -2.0), 2: rows(-9.5, 3.0)}, 100)
    assert [each["key"] for each in told["sessions"]] == [-10.5, -9.5, -2.0, 3.0]
    assert (told["total"], told["matching"], told["next"]) == (18, 4, None)


def test_a_page_of_the_table_ends_at_its_limit_and_the_next_begins_there() -> None:
    told = combined.table({1: rows(1.0, 3.0, more=True), 2: rows(2.0, 4.0)}, 2)
    assert [each["key"] for each in told["sessions"]] == [1.0, 2.0]
    assert told["next"] == told["places"][-1] == "2.0~0~s"
    assert combined.table({1: rows(1.0), 2: rows(2.0)}, 2)["next"] is None


def test_nobody_is_left_out_whom_a_worker_has_not_told_yet() -> None:
    told = combined.table({1: rows(1.0, more=True), 2: rows(0.5, 4.0)}, 3)
    assert [each["key"] for each in told["sessions"]] == [0.5, 1.0]
    assert told["next"] == "1.0~0~s"


def test_events_of_a_device_are_told_in_the_order_of_time_and_no_two_have_one_number() -> None:
    answers = {1: {"events": [{"id": 4, "at": "b"}]}, 2: {"events": [{"id": 4, "at": "a"}]}}
    told = combined.events(answers, 100)["events"]
    assert [(each["id"], each["worker"]) for each in told] == [(402, 2), (401, 1)]
    assert [each["id"] for each in combined.events(answers, 1)["events"]] == [401]
