from __future__ import annotations

import pytest

from keepline.admin import own
from keepline.errors import CommandError, NotConnectedError
from keepline.gateway.holder import NodeHolder
from tests.unit.gateway.fakes import World


async def test_what_is_not_here_is_none() -> None:
    world = World()
    assert own.live(world.node, "one") is None
    assert own.kick(world.node, "one") is None


async def test_a_device_is_told_and_kicked_however_its_id_is_spelled() -> None:
    world = World()
    life = world.connect("One")
    live = own.live(world.node, "ONE")
    assert live is not None
    assert (live.device_id, live.former) == ("One", False)
    kicked = own.kick(world.node, "one")
    assert kicked is not None
    assert (kicked.device_id, kicked.session_id) == ("One", life.session.session_id)
    assert life.transport.close_code == 4002


async def test_what_is_sent_is_on_its_way_or_it_is_said_why_not() -> None:
    world = World()
    await world.hub.start(NodeHolder(world.node, "n"), 60.0)
    life = world.connect("One")
    sent = await own.send(world.node, "one", {"type": "custom", "payload": 1})
    assert (sent.device_id, life.heard[-1]["payload"]) == ("One", 1)
    with pytest.raises(CommandError):
        await own.send(world.node, "one", {"type": "hello"})
    with pytest.raises(NotConnectedError):
        await own.send(world.node, "another", {"type": "custom", "payload": 1})


async def test_a_page_goes_on_behind_a_claim() -> None:
    world = World()
    for number in range(5):
        world.connect(f"device-{number}")
    page = await own.page_of(world.node, state=None, prefix="", cursor=2, limit=2)
    assert [each.device_id for each in page.sessions] == ["device-2", "device-3"]
    assert (page.total, page.next) == (5, 4)
