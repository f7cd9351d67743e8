"""What is said again until it is acknowledged, as the messages and as the whole of a device."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keepline.gateway.delivery import (
    MOST_BYTES,
    Delivery,
    Named,
    lasting,
    named,
    within_bounds,
)
from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.hub.port import Outcome
from keepline.reasons import CloseReason
from keepline.wire.messages import (
    Alert,
    Custom,
    Hello,
    Mcp,
    ServerMessage,
    Stt,
    System,
    Tts,
    encode_server_message,
)
from tests.unit.gateway.fakes import Life, Recorder, World, settle

ACKNOWLEDGES = Hello(features={"ack": True})
ALERT = Alert(status="s", message="m", emotion="e")


async def come(world: World, hello: Hello = ACKNOWLEDGES) -> Life:
    claim = await world.node.memory.claim("device-1", world.node.make_session_id())
    connection = world.greeted(Receiver())
    session = world.node.open_session(connection, Identity("device-1", "c"), hello, claim)
    return Life(connection, session)


def told(life: Life) -> list[tuple[str, Any]]:
    """Return id and payload of each custom message that was written."""
    return [
        (message["message_id"], message["payload"])
        for message in life.heard
        if message["type"] == "custom"
    ]


def acknowledge(life: Life, message_id: str) -> None:
    life.says(json.dumps({"type": "ack", "message_id": message_id}))


# -- one message ---------------------------------------------------------------------------

LASTING: list[ServerMessage] = [ALERT, Custom(payload={"a": [1]}), System(command="reboot")]
PASSING: list[ServerMessage] = [Tts(state="start"), Stt("hello"), Mcp(payload={"id": 1})]


@pytest.mark.parametrize("message", LASTING)
def test_a_lasting_message_gets_an_id_and_keeps_all_else(message: ServerMessage) -> None:
    text = encode_server_message(message) + " "
    got = named(text, "s-1")
    assert got is not None
    assert got.message_id == "s-1"
    assert json.loads(got.text) == {**json.loads(text), "message_id": "s-1"}


def test_an_id_that_is_there_stays() -> None:
    text = '{"type":"custom","payload":1,"message_id":"mine"}'
    assert named(text, "s-1") == Named("mine", text)


@pytest.mark.parametrize("text", [*map(encode_server_message, PASSING), "", "{}", "not json"])
def test_what_means_nothing_later_gets_none(text: str) -> None:
    assert named(text, "s-1") is None


def test_only_what_still_means_something_is_lasting() -> None:
    texts = [encode_server_message(message) for message in [*LASTING, *PASSING]]
    assert lasting([*texts, "not json", "{}"]) == tuple(texts[:3])


@pytest.mark.parametrize(("spare_bytes", "kept"), [(1, 2), (0, 2), (-1, 1)])
def test_what_is_kept_of_one_device_is_bounded_in_bytes(spare_bytes: int, kept: int) -> None:
    texts = ("é", "x" * (MOST_BYTES - 2 - spare_bytes))
    assert within_bounds(texts) == texts[:kept]


# -- those of one session ------------------------------------------------------------------


@pytest.mark.parametrize(("count", "taken"), [(2, True), (3, True), (4, False)])
def test_so_many_messages_wait_and_no_more(count: int, taken: bool) -> None:  # noqa: FBT001
    delivery = Delivery(limit=3)
    results = [delivery.take(Named(f"s-{n}", "text")) for n in range(count)]
    assert results == [True] * min(count, 3) + [taken] * (count > 3)


@pytest.mark.parametrize(("beyond", "taken"), [(-1, True), (0, True), (1, False)])
def test_so_many_bytes_wait_and_no_more(beyond: int, taken: bool) -> None:  # noqa: FBT001
    delivery = Delivery(limit=3)
    assert delivery.take(Named("s-1", "é" * 10))
    large = Named("s-2", "x" * (MOST_BYTES - 20 + beyond))
    assert delivery.take(large) is taken
    delivery.acknowledge("s-1")
    assert delivery.take(large)


def test_a_message_said_twice_waits_once_in_its_place() -> None:
    delivery = Delivery(limit=2)
    for message in (Named("s-1", "one"), Named("s-2", "two"), Named("s-1", "one")):
        assert delivery.take(message)
    assert list(delivery) == ["one", "two"]
    delivery.acknowledge("s-1")
    delivery.acknowledge("s-1")
    assert list(delivery) == ["two"]


# -- a device ------------------------------------------------------------------------------


async def test_a_stock_device_is_told_as_ever() -> None:
    world = World()
    life = await come(world, Hello(features={"mcp": True}))
    life.session.send(Custom(payload=1))
    assert life.heard[-1] == {"type": "custom", "payload": 1}
    assert life.session._delivery is None


async def test_what_is_not_acknowledged_is_said_again_first_and_under_its_id() -> None:
    class Talking(Recorder):
        def opened(self, session: Any) -> None:
            session.send(Custom(payload="newer"))

    world = World(Talking)
    first = await come(world)
    first.session.send(Custom(payload=1))
    first.session.send(Tts(state="start"))
    first.session.send(Custom(payload=2))
    acknowledge(first, told(first)[1][0])
    before = told(first)
    first.loses_tcp()
    second = await come(world)
    assert told(second) == [before[0], before[2], (told(second)[2][0], "newer")]
    assert second.heard[0]["type"] == "hello"
    assert len({message_id for message_id, _ in [*before, *told(second)]}) == 4


async def test_a_takeover_hands_on_what_is_not_acknowledged() -> None:
    world = World()
    first = await come(world)
    first.session.send(Custom(payload=1))
    second = await come(world)
    assert told(second) == told(first)
    assert second.session.outcome is Outcome.RESUMED


async def test_an_acknowledged_message_is_gone_and_so_is_the_delivery_of_the_idle() -> None:
    world = World()
    life = await come(world)
    life.session.send(ALERT)
    assert life.session._delivery is not None
    acknowledge(life, life.heard[-1]["message_id"])
    world.pass_time(31.0)
    assert life.session._delivery is None
    life.loses_tcp()
    assert (await come(world)).session.outcome is Outcome.NEW


async def test_who_is_idle_and_owes_an_acknowledgement_still_gets_its_message() -> None:
    world = World()
    life = await come(world)
    life.session.send(Custom(payload=1))
    world.pass_time(31.0)
    life.loses_tcp()
    assert [payload for _, payload in told(await come(world))] == [1]


async def test_no_handler_hears_of_an_acknowledgement() -> None:
    world = World()
    for hello in (ACKNOWLEDGES, Hello()):
        life = await come(world, hello)
        acknowledge(life, "nobody's")
        assert "text" not in life.handler.names


@pytest.mark.parametrize("beyond", [-1, 0, 1])
async def test_who_acknowledges_nothing_is_ended_as_by_an_outbox_overflow(beyond: int) -> None:
    world = World(outbox={"control_messages": 3})
    life = await come(world)
    for number in range(3 + beyond):
        life.session.send(Custom(payload=number))
    ended = life.connection.lifecycle.reason
    assert ended is (CloseReason.OUTBOX_OVERFLOW if beyond > 0 else None)
    life.loses_tcp()
    assert [payload for _, payload in told(await come(world))] == list(range(min(3, 3 + beyond)))


async def test_a_state_saved_meanwhile_has_what_is_not_acknowledged() -> None:
    world = World()
    life = await come(world)
    life.session.send(Custom(payload=1))
    await life.session.save(b"state")
    [kept] = world.hub._kept.values()
    assert told(life)[0][0].encode() in kept.state


async def test_what_is_sent_once_the_end_has_begun_goes_nowhere() -> None:
    world = World()
    life = await come(world)
    life.session.close(CloseReason.KICKED)
    life.session.send(Custom(payload=1))
    life.loses_tcp()
    assert told(await come(world)) == []


class Failing(Recorder):
    """Keeps what it was given, and fails on every text."""

    def restore(self, state: bytes) -> None:
        self.calls.append(("restore", state))

    def text(self, session: Any, message: object) -> None:
        raise RuntimeError("a fault of the application")

    def snapshot(self) -> bytes:
        return b"after it failed"


@pytest.mark.parametrize("saved", [b"saved", None])
async def test_a_handler_that_fails_takes_no_message_with_it(saved: bytes | None) -> None:
    world = World(Failing)
    life = await come(world)
    life.session.send(Custom(payload=1))
    if saved is not None:
        await life.session.save(saved)
    acknowledge(life, told(life)[0][0])
    life.session.send(Custom(payload=2))
    life.says('{"type":"abort"}')
    life.loses_tcp()
    await settle()
    again = await come(world)
    assert [payload for _, payload in told(again)] == [2]
    restored = [state for name, state in again.handler.calls if name == "restore"]
    assert restored == ([] if saved is None else [saved])


@pytest.mark.parametrize("saved", [b"saved", None])
@pytest.mark.parametrize("owed", [[], [2]])
async def test_what_a_failed_handler_leaves_is_there_before_the_hub_has_it(
    monkeypatch: pytest.MonkeyPatch, saved: bytes | None, owed: list[int]
) -> None:
    world = World(Failing)
    life = await come(world)
    life.session.send(Custom(payload=1))
    if saved is not None:
        await life.session.save(saved)  # with the message, which the device has got by now
    acknowledge(life, told(life)[0][0])
    claim = await world.node.memory.claim("device-1", "session-9")  # asked before it fails
    for payload in owed:
        life.session.send(Custom(payload=payload))
    life.says('{"type":"abort"}')
    monkeypatch.setattr(world.hub, "release", lambda *_: world.node.loop.create_future())
    life.loses_tcp()
    connection = world.greeted(Receiver())
    identity = Identity("device-1", "c")
    again = Life(connection, world.node.open_session(connection, identity, ACKNOWLEDGES, claim))
    restored = [state for name, state in again.handler.calls if name == "restore"]
    assert restored == ([] if saved is None else [saved])
    assert [payload for _, payload in told(again)] == owed


async def test_a_snapshot_that_never_comes_takes_no_message_with_it() -> None:
    class Never(Recorder):
        async def snapshot(self) -> bytes:
            await asyncio.Event().wait()
            return b""

    world = World(Never, session={"closed_timeout_s": 0.01})
    life = await come(world)
    life.session.send(Custom(payload=1))
    life.loses_tcp()
    await asyncio.gather(*world.node.cleanups)
    await settle()
    assert [payload for _, payload in told(await come(world))] == [1]


@pytest.mark.parametrize(
    ("features", "resume"),
    [({"resume": True}, "new"), ({"resume": 1}, None), ({"mcp": True}, None)],
)
async def test_only_a_client_that_wants_to_know_is_told_whether_it_resumes(
    features: dict[str, Any], resume: str | None
) -> None:
    life = await come(World(), Hello(features=features))
    assert life.heard[0].get("resume") == resume


async def test_a_client_is_told_that_it_is_resumed_or_came_too_late() -> None:
    hello = Hello(features={"ack": True, "resume": True})
    world = World(hub={"resume_window_s": 10.0})
    seen = []
    for away_s in (0.0, 9.0, 10.0):
        world.clock.advance(away_s)
        life = await come(world, hello)
        seen.append(life.heard[0]["resume"])
        if not told(life):
            life.session.send(Custom(payload=1))
        life.loses_tcp()
        await settle()
    assert seen == ["new", "resumed", "expired"]


class Device(RuleBasedStateMachine):
    """Messages, acknowledgements, drops and takeovers in any order.

    A message is delivered at least once, in the order of first sending, and never once its
    acknowledgement has come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = self.run(self.make_world)
        self.life: Life | None = None
        self.sent = 0
        self.delivered: dict[int, str] = {}  # payload and id, in order of first delivery
        self.acknowledged: set[int] = set()
        self.seen_on_this: list[int] = []

    async def make_world(self) -> World:
        return World(outbox={"control_messages": 1_000})

    def run(self, work: Callable[[], Any]) -> Any:
        return self.loop.run_until_complete(work())

    def hear(self) -> None:
        """Look at what was written since the last look."""
        assert self.life is not None
        news = told(self.life)[len(self.seen_on_this) :]
        for message_id, payload in news:
            assert payload not in self.acknowledged
            assert self.delivered.setdefault(payload, message_id) == message_id
            assert payload not in self.seen_on_this
            self.seen_on_this.append(payload)
        assert self.seen_on_this == sorted(self.seen_on_this)

    @rule()
    def connect(self) -> None:
        async def work() -> None:
            self.life = await come(self.world)
            await settle()

        owed = sorted(set(range(self.sent)) - self.acknowledged)
        self.run(work)
        self.seen_on_this = []
        self.hear()
        assert self.seen_on_this == owed

    @precondition(lambda self: self.life is not None)
    @rule()
    def send(self) -> None:
        async def work() -> None:
            assert self.life is not None
            self.life.session.send(Custom(payload=self.sent))

        self.run(work)
        self.sent += 1
        self.hear()

    @precondition(lambda self: self.life is not None)
    @rule()
    def stop_reading(self) -> None:
        async def work() -> None:
            assert self.life is not None
            if self.life.connection.outbox is None:
                self.life.connection.pause_writing()

        self.run(work)

    @precondition(lambda self: self.life is not None)
    @rule()
    def read_on(self) -> None:
        async def work() -> None:
            assert self.life is not None
            if self.life.connection.outbox is not None:
                self.life.connection.resume_writing()

        self.run(work)
        self.hear()

    @precondition(lambda self: self.life is not None and self.seen_on_this)
    @rule(data=st.data())
    def acknowledge_one(self, data: st.DataObject) -> None:
        payload = data.draw(st.sampled_from(self.seen_on_this))

        async def work() -> None:
            assert self.life is not None
            acknowledge(self.life, self.delivered[payload])

        self.run(work)
        self.acknowledged.add(payload)

    @precondition(lambda self: self.life is not None)
    @rule(reason=st.sampled_from([None, CloseReason.KICKED, CloseReason.SERVER_SHUTDOWN]))
    def drop(self, reason: CloseReason | None) -> None:
        async def work() -> None:
            assert self.life is not None
            if reason is not None:
                self.life.session.close(reason)
            self.life.loses_tcp()
            await settle()

        self.run(work)
        self.life = None

    @invariant()
    def nothing_was_made_up(self) -> None:
        assert set(self.delivered) <= set(range(self.sent))
        assert len(set(self.delivered.values())) == len(self.delivered)

    def teardown(self) -> None:
        self.life = None
        self.connect()  # whoever comes last gets all that is left
        assert set(self.delivered) == set(range(self.sent))
        self.loop.close()


class TestDevice(Device.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
