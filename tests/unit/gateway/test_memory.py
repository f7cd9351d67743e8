"""What outlives a connection; the hub behind it is the twin."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import msgpack

from keepline.errors import HubDownError, ReplacedError
from keepline.gateway.identity import Identity
from keepline.gateway.memory import Record
from keepline.gateway.receiver import Receiver
from keepline.hub.port import STATE_BYTES, Claim, Outcome
from keepline.reasons import CloseReason
from keepline.wire.messages import (
    Alert,
    Custom,
    Hello,
    Tts,
)
from tests.unit.gateway.fakes import Life, Recorder, World, settle

ALERT = Alert(status="s", message="m", emotion="e")


class Keeping(Recorder):
    """Keeps one thing, and is told what the former one kept."""

    state: bytes | None = b"state"

    def snapshot(self) -> bytes | None:
        return self.state

    def restore(self, state: bytes) -> None:
        self.calls.append(("restore", state))

    def resumed(self, session: Any) -> None:
        self.calls.append(("resumed", session.outcome))


async def come(world: World, device_id: str = "device-1") -> Life:
    """Connect the way a device does: its claim is the hub's."""
    claim = await world.node.memory.claim(device_id, world.node.make_session_id())
    connection = world.greeted(Receiver())
    session = world.node.open_session(connection, Identity(device_id, "c"), Hello(), claim)
    return Life(connection, session)


async def test_a_device_that_is_back_finds_its_handlers_state() -> None:
    world = World(Keeping)
    (await come(world)).loses_tcp()
    life = await come(world)
    assert life.handler.calls == [("restore", b"state"), ("resumed", Outcome.RESUMED)]


async def test_a_state_that_takes_its_time_is_found_as_well() -> None:
    class Later(Keeping):
        async def snapshot(self) -> bytes:  # type: ignore[override]
            await asyncio.sleep(0)
            return b"later"

    world = World(Later)
    (await come(world)).loses_tcp()
    await asyncio.gather(*world.node.cleanups)
    assert (await come(world)).handler.calls[0] == ("restore", b"later")


async def test_who_takes_over_from_one_that_is_being_closed_resumes() -> None:
    world = World(Keeping)
    (await come(world)).session.close(CloseReason.KICKED)
    assert (await come(world)).session.outcome is Outcome.RESUMED


async def test_a_device_that_comes_too_late_is_new_to_its_handler_and_told_expired() -> None:
    world = World(Keeping, hub={"resume_window_s": 10.0})
    (await come(world)).loses_tcp()
    await settle()
    world.clock.advance(10.0)
    life = await come(world)
    assert life.handler.names == ["opened"]
    assert life.session.outcome is Outcome.EXPIRED


async def test_a_handler_without_a_snapshot_leaves_nothing() -> None:
    world = World(Recorder)
    (await come(world)).loses_tcp()
    life = await come(world)
    assert life.session.outcome is Outcome.NEW


async def test_a_snapshot_of_nothing_forgets_what_was_saved_before() -> None:
    world = World(Keeping)
    first = await come(world)
    await first.session.save(b"earlier")
    first.handler.state = None  # type: ignore[attr-defined]
    first.loses_tcp()
    assert (await come(world)).session.outcome is Outcome.NEW


async def test_a_handler_that_failed_leaves_what_it_saved_before() -> None:
    world = World(Keeping)
    first = await come(world)
    await first.session.save(b"before it failed")
    first.session.close(CloseReason.HANDLER_FAILED)
    first.loses_tcp()
    assert (await come(world)).handler.calls[0] == ("restore", b"before it failed")


async def test_a_revoked_device_leaves_what_it_saved_and_no_more() -> None:
    world = World(Keeping)
    first = await come(world)
    first.session.close(CloseReason.REVOKED)
    first.loses_tcp()
    assert (await come(world)).session.outcome is Outcome.NEW


async def test_a_session_that_was_replaced_cannot_save_over_its_heir() -> None:
    world = World(Keeping)
    older = await come(world)
    newer = await come(world)
    await newer.session.save(b"newer")
    with pytest.raises(ReplacedError):
        await older.session.save(b"older")
    older.loses_tcp()
    newer.session.close(CloseReason.HANDLER_FAILED)
    newer.loses_tcp()
    assert (await come(world)).handler.calls[0] == ("restore", b"newer")


async def test_an_idle_session_is_saved_by_itself() -> None:
    world = World(Keeping)
    life = await come(world)
    world.pass_time(31.0)
    await settle()
    [kept] = world.hub._kept.values()
    assert msgpack.decode(kept.state) == [b"state", []]
    assert life.session.connection.lifecycle.reason is None


async def test_a_state_that_cannot_be_kept_now_costs_an_idle_session_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(claim: Claim, state: bytes) -> None:
        raise HubDownError("disk full")

    world = World(Keeping)
    life = await come(world)
    monkeypatch.setattr(world.hub, "save", away)
    world.pass_time(31.0)
    await settle()
    assert len(world.logged("state_not_saved")) == 1
    assert life.session.connection.lifecycle.reason is None


@pytest.mark.parametrize("size_bytes", [1, STATE_BYTES - 8, STATE_BYTES])
async def test_a_state_is_kept_up_to_the_limit_of_the_hub(size_bytes: int) -> None:
    world = World(Keeping)
    life = await come(world)
    if size_bytes < STATE_BYTES:
        await life.session.save(bytes(size_bytes))
    else:
        with pytest.raises(ValueError, match="beyond"):
            await life.session.save(bytes(size_bytes))


async def test_what_a_device_was_not_told_is_told_to_it_when_it_is_back() -> None:
    world = World(Recorder)
    first = await come(world)
    first.connection.pause_writing()
    for number in range(3):
        first.session.send(Custom(payload=number))
    first.session.send(Tts(state="stop"))
    first.loses_tcp()
    life = await come(world)
    assert [message["payload"] for message in life.heard if message["type"] == "custom"] == [
        0,
        1,
        2,
    ]
    assert [message["type"] for message in life.heard] == ["hello", "custom", "custom", "custom"]
    assert life.session.outcome is Outcome.RESUMED
    assert life.handler.names == ["opened"]  # there was no snapshot to restore


async def test_a_takeover_hands_on_what_the_older_connection_could_not_say() -> None:
    world = World(Keeping)
    first = await come(world)
    first.connection.pause_writing()
    first.session.send(ALERT)
    life = await come(world)
    assert [message["type"] for message in life.heard] == ["hello", "alert"]


async def test_what_was_taken_by_the_socket_is_not_said_again() -> None:
    world = World(Recorder)
    first = await come(world)
    first.session.send(ALERT)
    first.loses_tcp()
    life = await come(world)
    assert [message["type"] for message in life.heard] == ["hello"]


async def test_a_state_nobody_can_read_costs_the_device_nothing() -> None:
    world = World(Keeping)
    claim = Claim("device-1", "s", 1, Outcome.RESUMED, b"\xff not a record")
    session = world.node.open_session(
        world.greeted(Receiver()), Identity("device-1", "c"), Hello(), claim
    )
    assert session.handler.names == ["opened"]  # type: ignore[attr-defined]
    assert len(world.logged("state_unreadable")) == 1


async def test_who_leaves_during_its_claim_gives_the_device_back() -> None:
    world = World(Keeping)
    first = await come(world)
    await first.session.save(b"state")
    first.loses_tcp()
    claim = await world.node.memory.claim("device-1", "session-9")
    connection = world.greeted(Receiver())
    connection.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        world.node.open_session(connection, Identity("device-1", "c"), Hello(), claim)
    await settle()
    assert (await come(world)).handler.calls[0] == ("restore", b"state")


async def test_while_a_state_is_on_its_way_to_the_hub_it_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(Keeping)
    first = await come(world)
    claim = await world.node.memory.claim("device-1", "session-9")  # asked before it left
    held = world.node.loop.create_future()
    monkeypatch.setattr(world.hub, "release", lambda *_: held)
    first.loses_tcp()
    assert len(world.node.memory) == 1
    session = world.node.open_session(
        world.greeted(Receiver()), Identity("device-1", "c"), Hello(), claim
    )
    assert session.handler.calls[0] == ("restore", b"state")  # type: ignore[attr-defined]
    held.set_result(None)
    await settle()
    assert len(world.node.memory) == 0


async def test_a_state_that_is_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Keeping)
    first = await come(world)
    failed = world.node.loop.create_future()
    failed.set_exception(HubDownError("no room"))
    monkeypatch.setattr(world.hub, "release", lambda *_: failed)
    first.loses_tcp()
    await settle()
    assert len(world.logged("state_lost")) == 1
    assert len(world.node.memory) == 0


async def test_comings_and_goings_are_events_with_all_that_is_known() -> None:
    world = World(Recorder)
    life = await come(world)
    world.pass_time(31.0)
    life.loses_tcp()
    online, offline = await world.hub.events(device_id="device-1")
    assert json.loads(online.data)["outcome"] == "new"
    told = json.loads(offline.data)
    assert told["cause"] == "device_closed"
    assert [step["state"] for step in told["steps"]] == [
        "authenticating",
        "active",
        "idle",
        "cleanup",
    ]


def test_a_record_takes_a_few_bytes_beside_what_it_holds() -> None:
    assert len(msgpack.encode(Record(bytes(100), ("x" * 50,)))) <= 100 + 50 + 8


async def test_a_device_finds_its_state_however_it_spells_its_id() -> None:
    world = World(Keeping)
    first = await come(world, "device-A")
    second = await come(world, "DEVICE-a")
    first.loses_tcp()
    second.loses_tcp()
    await settle()
    third = await come(world, "device-a")
    assert third.handler.calls[0] == ("restore", b"state")
    assert len(await world.hub.events(device_id="device-a")) == 5


async def test_a_claim_that_came_to_nothing_leaves_the_device_to_the_session_that_is_here() -> None:
    world = World(Keeping)
    first = await come(world)
    claim = await world.node.memory.claim("device-1", "session-9")
    connection = world.greeted(Receiver())
    connection.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        world.node.open_session(connection, Identity("device-1", "c"), Hello(), claim)
    await first.session.save(b"still mine")
    assert first.session.claim == claim.number
    first.loses_tcp()
    assert (await come(world)).session.outcome is Outcome.RESUMED


async def test_a_takeover_of_a_failed_handler_goes_on_from_what_it_saved() -> None:
    world = World(Keeping)
    first = await come(world)
    await first.session.save(b"before it failed")
    first.session.close(CloseReason.HANDLER_FAILED)
    second = await come(world)  # while the first is still being closed
    assert second.handler.calls[0] == ("restore", b"before it failed")
    assert second.session.outcome is Outcome.RESUMED


async def test_who_ends_later_than_its_heir_leaves_nothing_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lingering(Keeping):
        async def closed(self, session: Any, reason: CloseReason) -> None:  # type: ignore[override]
            if session.session_id == "session-1":
                await go.wait()

    go = asyncio.Event()
    world = World(Lingering)
    first = await come(world)
    first.loses_tcp()
    second = await come(world)
    second.handler.state = b"newer"  # type: ignore[attr-defined]
    second.loses_tcp()
    await settle()
    monkeypatch.setattr(world.hub, "release", lambda *_: world.node.loop.create_future())
    go.set()
    await settle()
    assert len(world.node.memory) == 0
    assert (await come(world)).handler.calls[0] == ("restore", b"newer")


@pytest.mark.parametrize(("messages", "lost"), [(5, 0), (6, 1)])
async def test_what_waits_of_a_device_beyond_what_is_kept_is_told(messages: int, lost: int) -> None:
    world = World(Recorder)
    life = await come(world)
    life.connection.pause_writing()
    for number in range(messages):
        life.session.send(Custom(payload=[number, "x" * 10_000]))
    life.loses_tcp()
    await settle()
    assert [line["count"] for line in world.logged("messages_lost")] == [lost] * (lost > 0)
    told = [each["payload"][0] for each in (await come(world)).heard if each["type"] == "custom"]
    assert told == list(range(messages - lost))


class Sulking(Keeping):
    """Fails when it is asked for its state."""

    def snapshot(self) -> bytes | None:
        raise RuntimeError("no")


async def test_a_device_that_was_revoked_and_is_let_in_at_once_finds_what_was_saved() -> None:
    class Lingering(Keeping):
        async def text(self, session: Any, message: Any) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    world = World(Lingering, session={"closed_timeout_s": 0.02})
    older = await come(world)
    await older.session.save(b"saved")
    older.says('{"type":"listen","state":"detect","text":"t"}')
    older.session.close(CloseReason.REVOKED)
    older.loses_tcp()  # it is not cleaned up yet: its handler takes its time
    newer = await come(world)
    assert newer.handler.calls == [("restore", b"saved"), ("resumed", Outcome.RESUMED)]
    await asyncio.gather(*world.node.cleanups)


async def test_a_device_that_was_revoked_without_having_saved_is_new() -> None:
    world = World(Keeping)
    older = await come(world)
    older.session.close(CloseReason.REVOKED)
    newer = await come(world)
    assert newer.session.outcome is Outcome.NEW
    assert newer.handler.names == ["opened"]


async def test_a_handler_that_cannot_give_its_state_leaves_what_it_saved() -> None:
    world = World(Sulking)
    older = await come(world)
    await older.session.save(b"saved")
    newer = await come(world)
    assert newer.handler.calls == [("restore", b"saved"), ("resumed", Outcome.RESUMED)]
    await newer.session.save(b"saved later")
    newer.loses_tcp()
    assert (await come(world)).handler.calls[0] == ("restore", b"saved later")


async def test_a_handler_too_busy_to_give_its_state_leaves_what_it_saved() -> None:
    class Busy(Keeping):
        async def text(self, session: Any, message: Any) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    world = World(Busy, session={"snapshot_timeout_s": 0.02, "closed_timeout_s": 0.02})
    older = await come(world)
    await older.session.save(b"saved")
    older.says('{"type":"listen","state":"detect","text":"t"}')
    newer = await come(world)
    while not newer.handler.calls:
        await settle()
    assert newer.handler.calls[0] == ("restore", b"saved")
    older.loses_tcp()
    await asyncio.gather(*world.node.cleanups)


async def test_what_a_device_has_got_is_not_said_again_because_its_handler_failed() -> None:
    world = World(Keeping)
    first = await come(world)
    first.transport.buffered_bytes = 70_000
    first.connection.pause_writing()
    first.session.send(ALERT)
    first.loses_tcp()
    second = await come(world)
    assert b'"alert"' in second.transport.frames[-1][1]
    second.session.close(CloseReason.HANDLER_FAILED)
    second.loses_tcp()
    third = await come(world)
    assert [payload for _, payload in third.transport.frames if b'"alert"' in payload] == []
    assert third.handler.calls[0] == ("restore", b"state")


async def test_a_handler_that_failed_and_had_saved_nothing_leaves_nothing() -> None:
    world = World(Keeping)
    first = await come(world)
    first.session.close(CloseReason.HANDLER_FAILED)
    first.loses_tcp()
    second = await come(world)
    assert second.session.outcome is Outcome.NEW
