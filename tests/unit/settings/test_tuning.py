from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.settings import Settings


def test_nothing_is_learned_unless_somebody_says_how_late_a_verdict_may_be() -> None:
    assert Settings().tuning.verdict_s is None


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"tuning": {"verdict_s": 20}}, "must be at least 20.5, not 20: with heartbeat.interval_s"),
        (
            {"tuning": {"verdict_s": 120}, "heartbeat": {"preset": "seed"}},
            "needs heartbeat.preset to be adaptive",
        ),
    ],
)
def test_what_cannot_be_learned_within_the_bound_is_refused(
    document: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Settings.model_validate(document)


def test_the_bound_itself_is_allowed() -> None:
    assert Settings.model_validate({"tuning": {"verdict_s": 20.5}}).tuning.verdict_s == 20.5
