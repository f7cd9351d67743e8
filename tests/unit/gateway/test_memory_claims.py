"""What a session leaves while somebody claims its device, and what a claim in vain leaves."""

from __future__ import annotations

import pytest

from keepline.gateway.governor.crowd import Crowd, Step
from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.hub.port import Claim, Outcome
from keepline.wire.messages import Hello
from tests.unit.gateway.fakes import World, settle
from tests.unit.gateway.test_admission import HELLO, Entrance, head
from tests.unit.gateway.test_memory import Keeping, come


async def test_what_a_session_leaves_while_its_device_is_claimed_waits_for_the_claim() -> None:
    world = World(Keeping)
    first = await come(world)
    claim = await world.node.memory.claim("device-1", "session-9")  # and then it waits its turn
    first.loses_tcp()  # what it leaves the hub refuses: a newer claim exists
    await settle()
    session = world.node.open_session(
        world.greeted(Receiver()), Identity("device-1", "c"), Hello(), claim
    )
    assert session.handler.calls[0] == ("restore", b"state")  # type: ignore[attr-defined]
    await settle()
    assert len(world.node.memory) == 0


async def test_what_a_session_leaves_while_its_device_is_claimed_in_vain_is_kept() -> None:
    world = World(Keeping)
    first = await come(world)
    claim = await world.node.memory.claim("device-1", "session-9")
    first.loses_tcp()
    await settle()
    world.node.memory.give_back(claim)
    await settle()
    assert (len(world.node.memory), len(world.hub._held)) == (0, 0)
    assert (await come(world)).handler.calls[0] == ("restore", b"state")


async def leaves_nothing(world: World) -> Claim:
    """Have a session that had saved something leave nothing while its device is claimed."""
    first = await come(world)
    await first.session.save(b"earlier")
    first.handler.state = None  # type: ignore[attr-defined]
    claim = await world.node.memory.claim("device-1", "session-9")
    first.loses_tcp()  # what it wants forgotten the hub keeps: a newer claim exists
    await settle()
    return claim


async def test_what_is_to_be_forgotten_while_a_device_is_claimed_is_restored_to_nobody() -> None:
    world = World(Keeping)
    claim = await leaves_nothing(world)
    session = world.node.open_session(
        world.greeted(Receiver()), Identity("device-1", "c"), Hello(), claim
    )
    assert session.handler.calls == [("opened", None)]  # type: ignore[attr-defined]
    assert session.outcome is Outcome.NEW
    assert len(world.node.memory) == 0


async def test_what_is_to_be_forgotten_while_a_device_is_claimed_in_vain_is_forgotten() -> None:
    world = World(Keeping)
    world.node.memory.give_back(await leaves_nothing(world))
    await settle()
    assert (len(world.node.memory), len(world.hub._held)) == (0, 0)
    assert (await come(world)).handler.calls == [("opened", None)]


async def test_a_claim_that_fails_once_it_was_made_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(Keeping)
    first = await come(world)
    claim_of_the_hub = world.hub.claim

    async def claims_and_fails(device_id: str, session_id: str) -> Claim:
        await claim_of_the_hub(device_id, session_id)
        first.loses_tcp()
        raise ZeroDivisionError

    monkeypatch.setattr(world.hub, "claim", claims_and_fails)
    with pytest.raises(ZeroDivisionError):
        await world.node.memory.claim("device-1", "session-9")
    monkeypatch.undo()
    await settle()
    assert (len(world.node.memory), len(world.hub._held)) == (0, 0)
    assert (await come(world)).handler.calls[0] == ("restore", b"state")


async def test_an_admission_that_ends_between_claim_and_session_leaves_what_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(Keeping)
    older = await come(world)
    monkeypatch.setattr(Crowd, "left", lambda _, step: step is not Step.OPEN)
    entrance = Entrance(world)
    await entrance.gets(head())
    await entrance.gets(HELLO)
    assert world.node.governor.crowd.claiming == 1
    older.loses_tcp()  # and the hub refuses what it leaves
    await settle()
    assert len(world.node.memory) == 1
    await world.node.arrivals.give_up(world.node.arrivals.admissions)
    await settle()
    assert (len(world.node.memory), len(world.hub._held)) == (0, 0)
    assert (await come(world)).handler.calls[0] == ("restore", b"state")
