from __future__ import annotations

import pytest

from keepline.gateway.governor.signals import Range, Ranges, Seen, Signal
from keepline.settings.governor import Governor


@pytest.mark.parametrize(
    ("value", "signal"),
    [(None, 0.0), (-1.0, 0.0), (2.0, 0.0), (3.0, 0.25), (6.0, 1.0), (60.0, 1.0)],
)
def test_a_signal_is_nothing_below_its_range_and_all_above(
    value: float | None, signal: float
) -> None:
    assert Range(2.0, 6.0).normalised(value) == signal


def test_each_signal_is_normalised_by_its_own_range() -> None:
    settings = Governor(
        lag_lo_s=0.1,
        lag_hi_s=0.2,
        memory_lo_share=0.5,
        queued_lo_bytes=0,
        queued_hi_bytes=100,
        standing_lo_s=1,
        standing_hi_s=5,
    )
    found = Ranges.of(settings).pressures(Seen(0.15, 0.6, 75, 2.0))
    assert found == pytest.approx(
        {Signal.LAG: 0.5, Signal.MEMORY: 0.2, Signal.QUEUED: 0.75, Signal.STANDING: 0.25}
    )


def test_what_a_machine_does_not_tell_presses_nobody() -> None:
    found = Ranges.of(Governor()).pressures(Seen(0.0, None, 0, 0.0))
    assert set(found.values()) == {0.0}
