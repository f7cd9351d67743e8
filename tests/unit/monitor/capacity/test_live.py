from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from keepline.monitor.capacity.live import MOST_ROWS, now_of, seen_by, terms_of
from keepline.monitor.rings import Rings
from keepline.monitor.sampler import Sampler
from tests.unit.monitor.series import WALL, sample


def sampler_of(samples: int, *, began_s: float = -1.0, **values: float) -> Sampler:
    rings, latest = Rings(5.0), None
    for n in range(samples):
        latest = sample(5 * n, 0.0, **{"connections": n, "talking_connections": n / 2, **values})
        rings.add(latest)
    reading = SimpleNamespace(started_at=WALL + began_s)
    made = SimpleNamespace(rings=rings, latest=latest, interval_s=5.0, reading=reading)
    return cast("Sampler", made)


def test_what_was_seen_has_the_numbers_of_each_sample_and_cpu_as_a_share() -> None:
    rows = seen_by(sampler_of(3, loop_cpu_percent=25.0, memory_bytes=7.0))
    assert [row.sessions for row in rows] == [0, 1, 2]
    assert (rows[2].talking, rows[2].cpu, rows[2].memory_bytes) == (1, 0.25, 7)


def test_of_an_hour_some_samples_stand_for_all_and_none_of_a_former_life() -> None:
    rows = seen_by(sampler_of(720))
    assert MOST_ROWS / 2 <= len(rows) <= MOST_ROWS
    assert min(row.sessions for row in seen_by(sampler_of(100, began_s=200))) > 40


def test_what_is_now_is_the_latest_and_what_is_done_the_mean_of_a_minute() -> None:
    sampler = sampler_of(100, pings_per_s=3.0, descriptors=40.0)
    assert sampler.latest is not None
    now = now_of(sampler, sampler.latest, seen_by(sampler))
    assert (now.sessions, now.descriptors, now.pings_per_s) == (99, 40, 3)
    assert now.sessions_lately == pytest.approx(93.5)
    assert now.talk_share == pytest.approx(0.5)
    terms = terms_of(now, sampler.latest, interval_s=15, descriptors_kept=64, connections=9)
    assert terms.talk_share == pytest.approx(0.5)
    assert terms.connections == 9


def test_of_a_crowd_that_has_left_it_is_known_how_many_there_are_fewer() -> None:
    rings = Rings(5.0)
    for n, connections in enumerate((10.0, 80.0, 30.0, 20.0)):
        latest = sample(5 * n, 0.0, connections=connections)
        rings.add(latest)
    reading = SimpleNamespace(started_at=WALL - 1.0)
    sampler = cast("Sampler", SimpleNamespace(rings=rings, interval_s=5.0, reading=reading))
    seen = seen_by(sampler)
    assert [row.fewer for row in seen] == [0, 0, 50, 60]
    assert now_of(sampler, latest, seen).fewer == 60
    assert now_of(sampler, latest, []).fewer == 0
