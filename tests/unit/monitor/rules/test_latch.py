"""Raised when it lasts, lowered when the opposite lasts."""

from __future__ import annotations

import pytest

from keepline.monitor.rules.latch import Latch


def states(looks: str, raise_after_s: float = 10.0, hold_s: float = 20.0) -> str:
    """Play looks, five seconds apart: `+` is over, `.` between, `-` clear; return raised ones."""
    latch = Latch(raise_after_s, hold_s)
    return "".join(
        "x" if latch.update(5.0 * at, over=look == "+", clear=look == "-") else " "
        for at, look in enumerate(looks)
    )


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ("-------", "       "),
        ("++-++-+", "       "),
        ("+++----", "  xxxx "),
        ("+++-+-+-+----", "  xxxxxxxxxx "),
        ("+++..........", "  xxxxxxxxxxx"),
        ("+++--.--.---.", "  xxxxxxxxxxx"),
        ("+++----++++", "  xxxx   xx"),
        ("++.++.++.", "         "),
    ],
    ids=[
        *("quiet", "too short", "holds", "trembles", "between keeps it", "between holds on"),
        *("again", "between does not raise"),
    ],
)
def test_a_latch_follows_what_lasts(looks: str, expected: str) -> None:
    assert states(looks) == expected


def test_without_delays_it_follows_at_once() -> None:
    assert states("+-+--", 0.0, 0.0) == "x x  "
