from __future__ import annotations

import pytest

from keepline.gateway.refusals import address_full, leaving, no_room, too_often


def test_every_refusal_says_when_to_come_back() -> None:
    for error in (leaving(), no_room("full"), address_full(), too_often(3.0)):
        assert error.retry_after_s
        assert error.reason.status in {429, 503}


@pytest.mark.parametrize(("wait_s", "told_s"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.01, 2), (9.5, 10)])
def test_who_came_too_often_is_told_whole_seconds_that_suffice(wait_s: float, told_s: int) -> None:
    assert too_often(wait_s).retry_after_s == told_s
