"""What one process takes over and leaves, as far as it is its own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from keepline.app import succession as successions
from keepline.app.succession import Succession
from tests.unit.gateway.fakes import World


class AwayHub:
    """A hub whose store cannot be written."""

    keeps_house = False

    async def outlive(self, window_s: float) -> int:
        """Wait for the store."""
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never


async def test_a_store_that_cannot_be_written_keeps_no_process_whose_elder_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(successions, "LAST_WRITES_S", 0.02)
    composition: Any = SimpleNamespace(node=World().node, life="local-2", hub=AwayHub())
    succession = Succession(composition, None)
    succession._on_elder_gone()
    outliving = succession._outliving
    assert outliving is not None
    await asyncio.wait_for(succession.end(), 5.0)
    await asyncio.wait({outliving})
    assert outliving.cancelled()
