"""The tables of docs/rules.md, and its picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from keepline.monitor.gauges import Gauge
from tools import rules_page
from tools.rules_page import Run, all_runs, quiet_table, wrong_table
from tools.rules_plot import Panel, Strip, drawn
from tools.rules_series import ONSET_S, QUIET, WRONG
from tools.rules_trial import Fired


def fired(rule: str, gauge: Gauge, start_s: float, end_s: float = 9_999.0) -> Fired:
    return Fired(rule, gauge, start_s, end_s, "")


def test_quiet_days_are_counted_by_rule_and_day() -> None:
    rtt = fired("outlier", Gauge.RTT_P50_S, 5.0)
    runs = [Run(story.name, [rtt] * (story.name == "flat"), []) for story in QUIET for _ in "12"]
    runs[0] = Run("flat", [rtt, rtt], [])
    row = quiet_table(runs).splitlines()[2]
    assert row == "| flat | noise only | 0 | 0 | 1.5 | 0 | 0 | 0 | 0 |"


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([[(ONSET_S + 60, 9_999)], [(ONSET_S + 120, 9_999)]], "1.5 min"),
        ([[(ONSET_S + 60, 9_999)], []], "1 min (1 of 2)"),
        ([[], []], "-"),
        ([[(100, 200), (ONSET_S + 60, 9_999)], [(ONSET_S + 60, 9_999)]], "1 min !"),
        ([[(100, 9_999)], [(100, 9_999)]], "0 s !"),
    ],
    ids=["median", "missed once", "missed", "fired before", "held before"],
)
def test_a_delay_counts_from_the_onset(
    spans: list[list[tuple[float, float]]], expected: str
) -> None:
    story = WRONG[0]
    told = [[fired("trend", Gauge.MEMORY_BYTES, *span) for span in each] for each in spans]
    others = [Run(other.name, [], []) for other in WRONG[1:]]
    table = wrong_table([*(Run(story.name, each, []) for each in told), *others])
    assert table.splitlines()[2].split(" | ")[3] == expected


def test_every_series_is_played_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_page, "played", lambda name, number: Run(f"{name} {number}", [], []))
    quiet, wrong = all_runs(2, 3)
    assert [run.story for run in quiet[:2]] == ["flat 0", "flat 1"]
    assert (len(quiet), len(wrong)) == (2 * len(QUIET), 3 * len(WRONG))


def test_the_picture_is_xml_and_knows_dark() -> None:
    strip = Strip("seed's <slope>", ours=False, held=[(10.0, 20.0)])
    picture = drawn([Panel("A & B", "MB", 1.0, [1.0, 2.0, 3.0], 100.0, 50.0, [strip])])
    root = ET.fromstring(picture)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"A & B", "seed's <slope>", "3", "1 MB"} <= set(texts)
    assert "prefers-color-scheme: dark" in picture
