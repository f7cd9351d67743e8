from __future__ import annotations

from keepline.app.doctor.diagnosis import ok, problem, warning


def test_what_is_not_well_comes_with_advice_and_what_is_well_without() -> None:
    assert ok("clock", "kept").advice == ""
    assert [each("clock", "lost", "set it").standing for each in (warning, problem)] == [
        "warning",
        "problem",
    ]
