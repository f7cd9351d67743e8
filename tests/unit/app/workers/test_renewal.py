"""Who asks for an upgrade of several workers."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import Any, cast

from keepline.app import line
from keepline.app.workers.renewal import Renewal
from keepline.clock import ManualClock
from keepline.log import Log


class Looking:
    """Looks after two workers, while of the last ones that came to nothing one is still here."""

    def __init__(self) -> None:
        self.command = self.arguments = ["keepline", "serve"]
        self.many = 2
        self.free_slots = [3]
        self.is_stopping = False
        self.keepers: dict[Any, Any] = {}
        self.log = Log(io.StringIO(), ManualClock())

    def begin(self, slots: list[int]) -> Any:
        raise AssertionError(f"only {len(slots)} of {self.many} would come")


async def test_an_upgrade_waits_until_there_is_room_for_as_many_workers(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    renewal = Renewal(cast("Any", Looking()), directory)

    def ask() -> line.Message:
        asking = line.connect(tmp_path, 15.0)
        with asking:
            line.send(asking, {"ask": "upgrade", "version": line.VERSION, "patience_s": 10.0})
            return line.receive(asking)[0]

    told = await asyncio.to_thread(ask)
    await renewal.end()
    os.close(directory)
    assert told["told"] == "failed"
    assert told["why"] == "workers of another upgrade are still leaving"
