"""Who may begin an upgrade, before any process is started."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keepline.app import line
from keepline.app.upgrades import Upgrades
from tests.unit.gateway.drain.leaving import Leaving
from tests.unit.gateway.virtual_time import pass_time, virtual

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="sockets as Linux has them")


@virtual
async def test_a_gateway_that_was_told_to_leave_is_not_upgraded_also_before_it_refuses_anybody(
    tmp_path: Path,
) -> None:
    world = Leaving(drain={"unready_s": 5})
    held = os.open(tmp_path, os.O_RDONLY)
    succession: Any = SimpleNamespace(elder=None, directory=held)
    upgrades = Upgrades(succession, world.node, line.listen(held))
    asked = {"version": line.VERSION}
    assert upgrades._why_not(asked) == ""
    world.drain.start("a test")
    await pass_time(1)
    assert not world.node.draining
    assert upgrades._why_not(asked) == "the gateway is leaving"
    world.drain.abort()
    assert upgrades._why_not(asked) == ""
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)
