from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.fleet.report import Report, report_of
from keepline.fleet.tally import Tally

TIMES = {"count", "p50_s", "p95_s", "p99_s", "max_s"}
SCHEMA: dict[str, Any] = {
    "schema": None,
    "ok": None,
    "problems": None,
    "elapsed_s": None,
    "devices": None,
    "connected": None,
    "talking": None,
    "connects": {
        *("tried", "ok", "failed", "refused", "timeouts", "unready", "never_connected"),
        *("awaiting", "ramp_s", "per_s"),
    },
    "upgrade": TIMES,
    "hello": TIMES,
    "first_audio": TIMES,
    "rtt": TIMES,
    "turns": {"conversations", "answered", "unanswered", "cut"},
    "audio": {"sent", "heard", "own", "lost", "repeated", "foreign", "unsent"},
    "control": {
        "sent",
        "heard",
        "lost",
        "reordered",
        "duplicated",
        "cut",
        "brought_back",
        "receipts",
        "said_again",
    },
    "outcomes": None,
    "endings": {"closed", "fin", "rst", "hung_up", "violations", "after_fault"},
    "faults": None,
    "bad_input": None,
    "deaths": {"died", "unjudged", "returned_unnoticed", "ended_by", "verdicts"},
    "answers": {"pings", "tools", "alerts", "hints", "ignored"},
    "simulator": {"slow", "lag", "cpu_s", "cpu_share"},
}


def reported(tally: Tally, **other: Any) -> Report:
    known: dict[str, Any] = {"elapsed_s": 10.0, "devices": 4, "connected": 3, "talking": 1}
    return report_of(tally, **(known | other))


def well() -> Tally:
    """Four devices of which nothing bad is to be told."""
    tally = Tally()
    counts = tally.counts
    counts.connects = counts.hellos = counts.let_in = 4
    counts.frames_sent = counts.frames_heard = counts.frames_own = 100
    counts.numbers_sent = counts.numbers_heard = 10
    return tally


def test_a_report_does_not_change_when_counting_goes_on() -> None:
    tally = well()
    tally.counts.refused[503] += 1
    tally.hello.add(0.1)
    report = reported(tally)
    tally.counts.hellos += 1
    tally.counts.refused[503] += 1
    tally.hello.add(9.0)
    assert report.counts.hellos == 4
    assert report.counts.refused == {503: 1}
    assert report.hello.max_s == 0.1


def test_the_fields_of_the_json_are_these_and_stay() -> None:
    tally = well()
    tally.counts.closed[None] += 1
    report = json.loads(json.dumps(reported(tally).as_json()))
    assert report.keys() == SCHEMA.keys()
    for name, fields in SCHEMA.items():
        if fields is not None:
            assert report[name].keys() == fields, name
    assert report["schema"] == 1
    assert set(report["deaths"]["verdicts"]) == {"idle", "streaming", "hearing"}
    assert report["endings"]["closed"] == {"none": 1}


def test_known_numbers_come_out_as_they_went_in() -> None:
    tally = well()
    for number in range(1, 101):
        tally.rtt.add(number / 1000)
    tally.verdicts["idle"].add(4.5)
    report = reported(tally, ramp_s=2.0, cpu_s=1.5).as_json()
    assert report["ok"] is True
    assert report["problems"] == []
    assert report["connects"]["per_s"] == 2.0
    assert report["rtt"]["p50_s"] == pytest.approx(0.050, rel=0.012)
    assert report["rtt"]["p99_s"] == pytest.approx(0.099, rel=0.012)
    assert report["rtt"]["max_s"] == 0.1
    assert report["deaths"]["verdicts"]["idle"]["p95_s"] == 4.5
    assert report["simulator"]["cpu_share"] == 0.15


@pytest.mark.parametrize(
    ("name", "count", "problem"),
    [
        ("unlucky", 2, "2 devices could not connect: the run was over first"),
        ("awaiting", 1, "1 device still waits to be approved"),
        ("numbers_lost", 3, "control messages lost: 3 of 10"),
        ("numbers_reordered", 1, "control messages reordered: 1 of 10"),
        ("numbers_duplicated", 1, "control messages duplicated: 1 of 10"),
        ("frames_lost", 5, "audio frames lost: 5 of 100"),
        ("frames_repeated", 5, "audio frames repeated: 5 of 100"),
        ("foreign_frames", 5, "audio frames heard that were somebody else's: 5 of 100"),
        ("turns_unanswered", 1, "turns that nobody answered: 1"),
        ("violations", 1, "the server broke the protocol: 1 times"),
        ("fins", 2, "connections ended by the other side: 2 (FIN: 2)"),
        ("resets", 1, "connections ended by the other side: 1 (RST: 1)"),
    ],
)
def test_each_thing_that_went_wrong_is_a_problem_that_is_said(
    name: str, count: int, problem: str
) -> None:
    tally = well()
    assert reported(tally).problems == []
    setattr(tally.counts, name, count)
    assert reported(tally).problems == [problem]
    assert reported(tally).as_json()["ok"] is False


@pytest.mark.parametrize(
    "name",
    ["hung_up", "died", "numbers_cut", "turns_cut", "returned_unnoticed", "timeouts", "unready"],
)
def test_what_the_devices_did_themselves_is_no_problem(name: str) -> None:
    tally = well()
    setattr(tally.counts, name, 7)
    tally.counts.after_fault["1008"] = 7
    tally.counts.refused[503] = 7  # and was let in later
    assert reported(tally).problems == []


def test_why_nobody_could_connect_is_said_with_its_numbers() -> None:
    tally = Tally()
    counts = tally.counts
    counts.connects, counts.unlucky = 9, 4
    counts.failed["ECONNREFUSED"] = 5
    counts.refused[401] = 3
    counts.timeouts = 1
    (problem,) = reported(tally).problems
    assert problem == (
        "4 devices could not connect: ECONNREFUSED (5 times), refused with 401 (3 times),"
        " no answer in time (1 time)"
    )


def test_a_run_in_which_nobody_was_let_in_is_no_success_even_without_a_refusal() -> None:
    tally = Tally()
    assert reported(tally).problems == ["nobody was let in: the run was over first"]


def test_a_server_that_plays_nothing_back_has_lost_nothing() -> None:
    tally = well()
    counts = tally.counts
    counts.frames_own = counts.numbers_heard = 0
    counts.frames_lost = counts.numbers_lost = counts.foreign_frames = 50
    report = reported(tally)
    assert report.problems == []
    assert report.as_json()["audio"]["lost"] is None
    assert report.as_json()["control"]["lost"] is None


def test_a_simulator_that_is_late_itself_says_so() -> None:
    tally = well()
    for _ in range(98):
        tally.lag.add(0.001)
    assert not reported(tally).is_slow
    for _ in range(5):
        tally.lag.add(0.2)
    assert reported(tally).is_slow
    assert reported(tally).problems == []  # it is the numbers that are doubtful


def test_ten_thousand_endings_are_summed_up_by_their_codes() -> None:
    tally = well()
    tally.counts.closed.update({1001: 9_000, 4001: 999, None: 1})
    (problem,) = reported(tally).problems
    assert problem == (
        "connections ended by the other side: 10000"
        " (Close 1001: 9000, Close 4001: 999, Close without a code: 1)"
    )
