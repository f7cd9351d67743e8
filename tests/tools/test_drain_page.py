"""The table of docs/drain.md, its picture, and what both are made of: a fleet whose node leaves."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from keepline.gateway.drain.plan import Plan, Return, Wave
from tools import drain_page
from tools.drain_page import DEVICES, SEED, STORIES, Row, lived, plot, table
from tools.drain_trial import Left, Trial

FEW = 1_000
FEW_PER_S = 100.0
MOST_OF_PLAN = 1.1


def left(arrivals: list[float], plan: Plan | None = None) -> Left:
    return Left(plan=plan, took_s=4.0, forced=0, cut=0, arrivals=arrivals)


def row() -> Row:
    plan = Plan(
        crowd={(Wave.IDLE, Return.TOLD): 4},
        rate_per_s=2.0,
        wait_s=20.0,
        turn_s=15.0,
        close_s=1.0,
        away_s=0.0,
    )
    return Row(STORIES[0], left([3.0, 3.5, 3.9, 3.9]), left([0.2, 0.9, 1.1, 2.5], plan))


def test_the_busiest_second_is_found_wherever_it_begins() -> None:
    assert left([0.2, 0.9, 1.1, 2.5]).peak == 3
    assert left([0.0, 1.0]).peak == 2
    assert left([0.2, 0.9, 1.1, 2.5, 9.0]).in_seconds(3) == [2, 1, 1]


def test_a_row_says_how_much_of_the_plan_the_peak_was() -> None:
    line = table([row()]).splitlines()[2]
    assert line == "| a quarter of each kind | 4 | 2 | 3 | 1.50 | 4.0 s | 2.0 s |"


def test_the_picture_is_one_and_has_both_ways() -> None:
    picture = ET.fromstring(plot(row()))
    words = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "2/s" in words
    bars = [rect.get("class") for rect in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars == ["crowd", "ours", "ours", "ours"]


def test_the_page_has_a_place_for_the_table() -> None:
    assert "<!-- begin arrivals: generated -->" in drain_page.PAGE.read_text(encoding="utf-8")


def test_devices_of_all_kinds_arrive_as_planned_where_all_at_once_is_a_crowd() -> None:
    mixture = dict.fromkeys(STORIES[0].kinds, FEW // 4)
    at_once, drained = (Trial(SEED, mixture, FEW_PER_S) for _ in "12")
    found = Row(STORIES[0], at_once.all_at_once(), drained.drained())
    assert found.ratio <= MOST_OF_PLAN
    assert found.at_once.peak > 4 * found.drained.peak
    assert (found.drained.forced, found.drained.cut) == (0, 0)
    assert found.drained.plan is not None
    assert found.drained.took_s <= found.drained.plan.eta_s


def test_a_seed_decides_everything() -> None:
    def run() -> Left:
        return Trial(3, {"told": 40, "fixed": 40, "stock": 40}, 10.0).drained()

    assert run() == run()


@pytest.mark.soak
@pytest.mark.parametrize("number", [n for n, story in enumerate(STORIES) if not story.restarts])
def test_ten_thousand_devices_arrive_as_planned(number: int) -> None:
    found = lived(number, DEVICES)
    assert found.ratio <= MOST_OF_PLAN
    assert found.drained.plan is not None
    assert found.drained.took_s <= found.drained.plan.eta_s
