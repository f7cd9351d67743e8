"""`keepline upgrade` under 2,000 devices that have things saved all the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepline.app import line
from keepline.gateway.sockets import allow_descriptors
from tests.process.test_upgrade import Served, check, upgraded_under_a_fleet

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not line.is_possible(), reason="hands sockets over as Linux does"),
]

DEVICES = 2_000
PAUSE_S = 4.0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.end()


async def test_an_upgrade_under_2000_devices_refuses_nobody_and_loses_nothing(
    served: Served,
) -> None:
    allow_descriptors(2 * DEVICES)
    fleet = await upgraded_under_a_fleet(served, DEVICES, pause_s=PAUSE_S)
    check(fleet, served)
    came_back = Counter(fleet.connects.values())[2]
    assert came_back >= DEVICES * 0.99, f"{came_back} came back"
