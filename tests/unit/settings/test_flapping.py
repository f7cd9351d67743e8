from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings.flapping import Flapping


def test_the_steps_must_rise() -> None:
    Flapping(device_delay=1, device_deny=2, device_ban=3)
    with pytest.raises(ValidationError, match="address_delay, address_deny and address_ban"):
        Flapping(address_delay=2_000)
    with pytest.raises(ValidationError, match="must rise, not be 10, 20 and 20"):
        Flapping(device_ban=20)


@pytest.mark.parametrize(("delay_s", "works"), [(6.6, False), (6.7, True)])
def test_a_device_that_waits_must_come_seldom_enough(delay_s: float, *, works: bool) -> None:
    if works:
        Flapping(delay_s=delay_s)
    else:
        with pytest.raises(ValidationError, match=r"at least 6\.66667, not 6\.6"):
            Flapping(delay_s=delay_s)
