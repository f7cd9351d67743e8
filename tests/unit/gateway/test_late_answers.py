"""Answers that come twice or when nobody waits any more: of a device's tools, and of a handler."""

from __future__ import annotations

import asyncio

from tests.unit.gateway.fakes import Slow, World, settle
from tests.unit.gateway.test_resumption import BOUNDS, Keeping
from tests.unit.gateway.test_toolbox import OK, Device
from tests.unit.gateway.virtual_time import virtual


@virtual
async def test_a_tool_that_answers_twice_harms_nobody() -> None:
    device = Device(answer=lambda _: None)
    call = asyncio.ensure_future(device.session.call_tool("x"))
    await settle()
    number = device.requests[-1]["id"]
    for _ in range(2):
        device.says({"id": number, **OK})
    assert (await call).text == "true"
    assert device.life.connection.lifecycle.reason is None
    assert device.life.handler.names == ["opened"]


class BusyKeeping(Slow, Keeping):
    """Would leave a state, were it not busy."""


async def test_a_handler_that_was_given_up_is_not_asked_later() -> None:
    world = World(BusyKeeping, session=BOUNDS)
    older = world.connect()
    older.says('{"type":"abort"}')
    newer = world.connect()
    assert newer.session._worker is not None
    await newer.session._worker
    assert newer.handler.names == ["opened"]
    older.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert older.handler.names == ["opened", "text"]
