"""The rules are tried on series that are the same each time, beside the seed's."""

from __future__ import annotations

from random import Random
from statistics import fmean, pvariance

import pytest

from keepline.monitor.gauges import Gauge
from tools.rules_series import MB, ONSET_S, QUIET, STEP_S, WRONG, Node, Noise, Story, events, made
from tools.rules_trial import tried

HALF_AN_HOUR_S = 1_800


def test_the_same_seed_gives_the_same_series() -> None:
    once, again, other = (made(QUIET[0], 600, Random(seed)) for seed in (1, 1, 2))
    assert once == again
    assert once != other
    assert {len(values) for values in once.values()} == {600 // STEP_S}


@pytest.mark.parametrize("mean", [0.1, 2.0, 80.0])
def test_events_are_independent(mean: float) -> None:
    chance = Random(3)
    counts = [events(mean, chance) for _ in range(5_000)]
    assert fmean(counts) == pytest.approx(mean, rel=0.1)
    assert pvariance(counts) == pytest.approx(mean, rel=0.1)


def test_every_story_has_a_name_of_its_own_and_faults_begin_at_the_onset() -> None:
    names = [story.name for story in (*QUIET, *WRONG)]
    assert len(set(names)) == len(names)
    for story in WRONG:
        before, after = story.at(ONSET_S - 60, Random(1)), story.at(ONSET_S + 60, Random(1))
        assert before != after, story.name


def test_what_holds_has_a_beginning_and_an_end() -> None:
    busy = Story("busy", "", lambda at, _: Node(cpu=90 if 300 <= at < 600 else 20), Noise(cpu=0))
    fired = {
        each.rule: each
        for each in tried(busy, HALF_AN_HOUR_S, "1").fired
        if each.gauge == "cpu_percent"
    }
    assert fired["seed's threshold"][2:4] == (300.0, 600.0)
    assert fired["threshold"][2:4] == (310.0, 655.0)
    assert fired["threshold"].detail == "CPU: 90 %, the limit is 80 %"


@pytest.mark.parametrize(
    ("per_sample", "rules"),
    [(4.0, set()), (6.0, {"seed's growth"}), (60.0, {"seed's growth", "seed's slope"})],
)
def test_the_seed_s_slope_is_that_of_a_sample_or_of_ten(per_sample: float, rules: set[str]) -> None:
    leak = Story(
        "leak", "", lambda at, _: Node(memory=(100 + per_sample * at / 30) * MB), Noise(memory=0)
    )
    fired = tried(leak, 600, "1").fired
    slopes = {"seed's growth", "seed's slope"}
    assert {each.rule for each in fired if each.gauge is Gauge.MEMORY_BYTES} & slopes == rules
