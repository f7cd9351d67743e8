from __future__ import annotations

import pytest

from keepline.monitor.alerts.flaps import MOST, Flaps

KEY = ("memory_bytes", "threshold", "")


@pytest.mark.parametrize(("last", "flaps"), [(100.0, True), (100.1, False)])
def test_as_many_openings_within_the_time_are_flapping(last: float, *, flaps: bool) -> None:
    found = Flaps(opens=3, within_s=100.0)
    assert not found.opens(KEY, 0.0)
    assert not found.opens(KEY, 50.0)
    assert not found.opens(("another", "", ""), 50.0)
    assert found.opens(KEY, last) is flaps


def test_who_has_been_calm_begins_anew() -> None:
    found = Flaps(opens=2, within_s=100.0)
    found.opens(KEY, 0.0)
    found.forget(KEY)
    assert not found.opens(KEY, 1.0)
    assert found.opens(KEY, 2.0)


def test_what_is_remembered_is_bounded() -> None:
    found = Flaps(opens=2, within_s=1e9)
    found.opens(KEY, 0.0)
    for number in range(MOST):
        found.opens((str(number), "", ""), 1.0)
    assert not found.opens(KEY, 2.0)
