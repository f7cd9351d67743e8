"""What a node holds, compared with the directory in rounds."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from keepline.hub.cluster.upkeep import Upkeep
from keepline.hub.known import Held
from tests.unit.gateway.fakes import settle


class Holding:
    """A node with these devices, of which the engine has nothing else to say."""

    def __init__(self, *devices: str) -> None:
        self.devices = devices
        self.looked_up: list[str] = []
        self.answers = asyncio.Event()

    async def held(self, after: str, limit: int) -> list[Held]:
        return [Held(each, "session") for each in self.devices if each > after][:limit]

    async def find(self, device_id: str) -> tuple[None, None]:
        self.looked_up.append(device_id)
        await self.answers.wait()
        return None, None

    def is_ours(self, owner: Any) -> bool:
        return True


async def test_a_silence_in_the_middle_of_a_round_begins_it_anew() -> None:
    holding = Holding("device-1", "device-2")
    upkeep = Upkeep(cast("Any", holding), cast("Any", holding))
    upkeep.all_at_once()
    await settle()
    upkeep.all_at_once()
    holding.answers.set()
    await settle()
    assert upkeep.is_idle
    assert holding.looked_up == ["device-1", "device-2"] * 2
