"""The tables of docs/failure-detection.md, and its picture."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tools import detector_page
from tools.detector_measures import (
    ADAPTIVE,
    DETECTORS,
    LISTED,
    AfterStall,
    MassDeath,
    Mistakes,
    mistakes,
    one_stall,
)
from tools.detector_page import PAGE, Results, all_measured, mistakes_table, plot, written
from tools.detector_traces import QUIET, TRACES

QUICK: dict[str, Any] = {
    "mistakes": Mistakes(1_000.0, 0, 12, 5_000, 0, 240_000, 0),
    "traded": Mistakes(100.0, 3, 0, 5_000, 0, 24_000, 0),
    "idle_s": [18.0, 19.0, 20.0],
    "talk_s": [2.6, 2.7, 2.8],
    "traded_idle_s": [20.0],
    "traded_talk_s": [2.8],
    "masses": MassDeath(19.0, 20.4, 41.0, 75.2, 1, 0),
    "stalls": AfterStall(3, 0),
}


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(detector_page, "measured", lambda asked: QUICK[asked.part])
    return all_measured(1_000.0, 10)


def test_everything_is_measured_for_every_trace_and_detector(results: Results) -> None:
    every = {(trace.name, detector.name) for trace in TRACES for detector in DETECTORS}
    assert results.mistakes.keys() == results.idle_s.keys() == every
    assert results.talk_s.keys() == {key for key in every if key[1] != LISTED.name}
    assert len(results.stalls) == 2 * len(every)


def test_what_was_never_seen_has_its_bound_and_the_rest_its_rate(results: Results) -> None:
    row = mistakes_table(results).splitlines()[2]
    assert row == "| quiet | `adaptive`, 15 s | 1,000 | 0 (< 3) | 12 | 5 | 10 |"


def test_the_page_has_room_for_every_table_and_stays_the_same_when_renewed(
    results: Results,
) -> None:
    once = written(PAGE.read_text("utf-8"), results)
    assert "| quiet | 1 to 5 ms one way |" in once
    assert written(once, results) == once


def test_the_traces_of_the_page_are_those_of_the_tool() -> None:
    assert detector_page.traces_table() in PAGE.read_text("utf-8")


def test_the_picture_of_detectors_is_xml_and_knows_dark(results: Results) -> None:
    picture = plot(results)
    root = ET.fromstring(picture)
    assert root.tag.endswith("svg")
    assert "prefers-color-scheme: dark" in picture
    assert picture.count("<circle") == 3 * len(TRACES)


def test_a_measurement_counts_what_its_trial_says() -> None:
    found = mistakes(QUIET, ADAPTIVE, 0.5, fleet=20)
    assert found.device_days == 0.5
    assert (found.idle, found.in_talk, found.suspicions) == (0, 0, 0)
    assert 150.0 < found.pings_per_h < 260.0
    assert found.bound_per_1000_days == 6_000.0
    assert one_stall(QUIET, ADAPTIVE, 0.0, 20) == AfterStall(0, 0)
