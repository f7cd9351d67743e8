from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings.isolation import Isolation


def test_a_block_has_to_be_longer_than_a_tick_can_be_late() -> None:
    assert Isolation(blocked_after_s=0.3).blocked_after_s == 0.3
    with pytest.raises(ValidationError, match=r"blocked_after_s must be at least 0\.3"):
        Isolation(blocked_after_s=0.29)
