from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.settings.governor import Governor


def test_the_defaults_need_no_tuning() -> None:
    assert Governor().enabled
    assert Governor().disabled == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lag_lo_s": 0.5}, "lag_lo_s must be below lag_hi_s (0.2), not 0.5"),
        ({"memory_lo_share": 1.0}, "memory_lo_share must be below memory_hi_share (1), not 1"),
        ({"queued_hi_bytes": 1}, "queued_lo_bytes must be below queued_hi_bytes (1)"),
        ({"standing_lo_s": 9}, "standing_lo_s must be below standing_hi_s (5), not 9"),
        ({"judged_least": 300}, "judged_least must be at most judged_most (200), not 300"),
        ({"disabled": "shed, sing"}, "disabled has sing, and takes shrink, slow,"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Governor.model_validate(given)
    assert said in str(refused.value)


def test_actions_are_named_in_one_text_or_in_a_list() -> None:
    assert Governor.model_validate({"disabled": "shed, none"}).disabled == ("shed", "none")
