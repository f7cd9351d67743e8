"""Intervals are learned by a node, behind routers that forget."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import AsyncMock

import pytest

from keepline.errors import HubDownError
from keepline.gateway.tuning.tuner import Noted
from keepline.gateway.tuning.tuning import EVENT, MEMO, MOST_TOLD, SLOWLY, Tuning
from keepline.lifecycle.heartbeat import Verdict
from keepline.lifecycle.intervals import Change
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.unit.gateway.fakes import Life, World

HOUR_S = 3_600
ADDRESS = "192.0.2.7"


class Behind:
    """A device behind a router that forgets it after a silence of that length."""

    def __init__(
        self, world: World, device_id: str = "device-1", forgets_s: float = 1e9, **ways: Any
    ) -> None:
        self.world = world
        self.forgets_s = forgets_s
        self.life: Life = world.connect(device_id)
        self.connection = self.life.connection
        self.connection.address = ways.get("address", ADDRESS)
        self.transport = self.life.transport
        self.last_packet = world.node.ticker.now
        self.pings = 0
        self._seen = len(self.transport.written)
        self.transport.on_write = self._on_write

    def _on_write(self) -> None:
        now = self.world.node.ticker.now
        if now - self.last_packet > self.forgets_s:
            return
        self.last_packet = now
        for opcode, payload in self.transport.frames[self._seen :]:
            self._seen += 1
            if opcode == Opcode.PING:
                self.pings += 1
                self.life.pongs(payload)

    @property
    def reason(self) -> CloseReason | None:
        return self.connection.lifecycle.reason

    def pings_in(self, for_s: float) -> int:
        before = self.pings
        self.world.pass_time(for_s)
        return self.pings - before


def learning(verdict_s: float = 120.0, **sections: Any) -> World:
    return World(
        tuning={"verdict_s": verdict_s},
        session={"idle_after_s": 5},
        profiles={"xiaozhi": {"keepalive_s": None}},
        **sections,
    )


def tuning_of(world: World) -> Tuning:
    assert world.node.tuning is not None
    return world.node.tuning


async def test_without_the_setting_nothing_is_learned() -> None:
    assert World().node.tuning is None


async def test_where_silence_survives_pings_become_rare_up_to_the_bound() -> None:
    world = learning()
    device = Behind(world)
    world.pass_time(1.25 * HOUR_S)
    assert device.pings_in(HOUR_S / 4) < HOUR_S / 4 / 15 / 6
    [(lo_s, _, _)] = tuning_of(world).tuner.known().values()
    assert lo_s == 120 - 5.5 - 0.5  # whole seconds
    assert device.reason is None


async def test_who_is_gone_is_given_up_within_the_bound() -> None:
    world = learning()
    device = Behind(world)
    world.pass_time(1.5 * HOUR_S)
    device.forgets_s = -1  # nothing passes any more
    since = device.connection.heartbeat.last_rx
    while device.reason is None:
        world.pass_time(0.1)
    assert device.reason is CloseReason.HEARTBEAT_TIMEOUT
    assert 60 < world.node.ticker.now - since <= 120 + 0.1


async def test_only_one_of_an_address_tries_and_dies_of_it() -> None:
    world = learning()
    devices = [Behind(world, f"device-{n}", forgets_s=45) for n in range(4)]
    world.pass_time(HOUR_S)
    lost = [device for device in devices if device.reason is not None]
    assert len(lost) == 1
    assert tuning_of(world).learned()[0][1:4] == (43, None, 58)
    world.pass_time(HOUR_S)
    assert [device for device in devices if device.reason is not None] == lost


async def test_a_device_that_is_spoken_to_or_speaks_teaches_nothing() -> None:
    world = learning()
    device = Behind(world)
    for _ in range(200):
        world.pass_time(9)
        device.life.session.send_text("{}")
    assert tuning_of(world).tuner.known() == {}


async def test_what_is_sent_into_a_long_silence_is_followed_by_a_ping_at_once() -> None:
    world = learning()
    device = Behind(world)
    world.pass_time(1.5 * HOUR_S)
    while world.node.ticker.now - device.connection.heartbeat.last_rx < 30:
        world.pass_time(0.1)
    device.forgets_s = -1
    device.life.session.send_text('{"type":"alert"}')
    world.pass_time(7)
    assert device.reason is CloseReason.HEARTBEAT_TIMEOUT


async def test_what_is_sent_to_who_was_just_heard_asks_for_nothing() -> None:
    world = learning()
    device = Behind(world)
    world.pass_time(14)
    pings = device.pings
    device.life.session.send_text("{}")
    world.pass_time(1)
    assert device.pings == pings


async def test_when_all_fall_silent_no_way_is_blamed() -> None:
    world = learning()
    device = Behind(world)
    world.pass_time(HOUR_S)
    known = tuning_of(world).tuner.known()
    world.node.breaker.tripped = True
    for _ in range(5):
        device.connection.heartbeat.asked_at = world.node.ticker.now + 1
        world.node.on_ended(device.connection, CloseReason.HEARTBEAT_TIMEOUT)
    assert tuning_of(world).tuner.known() == known


async def test_who_ends_when_all_fall_silent_tries_no_more() -> None:
    world = learning()
    device = Behind(world)
    world.pass_time(60)
    assert len(tuning_of(world).tuner.tries) == 1
    world.node.breaker.tripped = True
    world.node.on_ended(device.connection, CloseReason.HEARTBEAT_TIMEOUT)
    assert len(tuning_of(world).tuner.tries) == 0


async def test_changes_are_told_with_before_after_and_reason_in_one_event_a_minute() -> None:
    world = learning()
    Behind(world)
    world.pass_time(200)
    for _ in range(60):
        world.node.each_second()
    [event] = await world.hub.latest(kind=EVENT)
    told = json.loads(event.data)
    assert told == {
        "what": "ping interval",
        "changes": [
            {"prefix": ADDRESS, "before_s": 15, "after_s": 28, "reason": "survived 5 times"}
        ],
    }
    for _ in range(60):
        world.node.each_second()
    assert len(await world.hub.latest(kind=EVENT)) == 1


async def test_what_was_learned_is_known_after_a_restart() -> None:
    world = learning()
    Behind(world)
    world.pass_time(HOUR_S)
    tuning_of(world).tell()
    heir = learning()
    memo = await world.hub.memo(MEMO)
    assert memo is not None
    heir.hub.keep_memo(MEMO, memo)
    await tuning_of(heir).recall()
    [before], [after] = tuning_of(world).learned(), tuning_of(heir).learned()
    assert after[:4] == before[:4]
    assert after.since == pytest.approx(before.since)
    Behind(heir)
    heir.pass_time(60)
    assert Behind(heir, "device-2").pings_in(300) <= 4


async def test_what_was_learned_before_the_clock_was_set_back_is_not_of_the_future() -> None:
    world = learning()
    kept = {ADDRESS: {"lo_s": 15, "hi_s": 43, "since": world.clock.wall() + 400 * 86_400}}
    world.hub.keep_memo(MEMO, json.dumps(kept).encode())
    await tuning_of(world).recall()
    [learned] = tuning_of(world).learned()
    assert learned.since == pytest.approx(world.clock.wall())


async def test_every_change_is_in_some_event_however_many_there_are() -> None:
    world = learning()
    tuning = tuning_of(world)
    change = Change(15, 28, "survived 5 times")
    tuning.tuner.changes = [Noted(f"prefix-{n}", change) for n in range(2 * MOST_TOLD + 7)]
    world.node.each_second()
    events = await world.hub.latest(kind=EVENT)
    told = [json.loads(event.data)["changes"] for event in reversed(events)]
    assert [len(changes) for changes in told] == [MOST_TOLD, MOST_TOLD, 7]
    assert len({each["prefix"] for changes in told for each in changes}) == 2 * MOST_TOLD + 7
    assert tuning.tuner.changes == []


async def test_under_pressure_it_is_told_and_written_down_less_often() -> None:
    world = learning()
    world.node.governor.force(0.9)
    changes = [Noted(ADDRESS, Change(15, 28, "survived 5 times"))]
    for _ in range(60):
        world.node.each_second()
    tuning_of(world).tuner.changes = changes
    for _ in range(SLOWLY * 60 - 1):
        world.node.each_second()
    assert await world.hub.latest(kind=EVENT) == []
    world.node.each_second()
    assert len(await world.hub.latest(kind=EVENT)) == 1


async def test_what_is_known_is_told_with_what_is_tried_and_since_when() -> None:
    world = learning()
    Behind(world, forgets_s=70)
    world.pass_time(HOUR_S / 4)
    [learned] = tuning_of(world).learned()
    assert learned[:4] == (ADDRESS, 58, 88, None) or learned[:4] == (ADDRESS, 58, None, 88)
    assert 0 < world.clock.wall() - learned.since < HOUR_S / 4


async def test_a_prefix_is_forgotten_which_is_told_and_outlives_a_restart() -> None:
    world = learning()
    Behind(world)
    world.pass_time(HOUR_S)
    tuning = tuning_of(world)
    assert tuning.forget(ADDRESS)
    assert not tuning.forget("198.51.100.1")
    events = await world.hub.latest(kind=EVENT)
    assert "forgotten by an operator" in events[0].data.decode()
    memo = await world.hub.memo(MEMO)
    assert memo == b"{}"


async def test_what_could_not_be_read_at_the_start_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = learning()
    kept = b'{"192.0.2.7":{"lo_s":15,"hi_s":43}}'
    world.hub.keep_memo(MEMO, kept)
    with monkeypatch.context() as away:
        away.setattr(world.hub, "memo", AsyncMock(side_effect=HubDownError("away")))
        await tuning_of(world).recall()
    Behind(world, address="198.51.100.1")
    world.pass_time(HOUR_S)
    assert len(tuning_of(world).tuner) == 1
    assert await world.hub.memo(MEMO) == kept


@pytest.mark.parametrize("memo", [None, b"[]", b"\xff", b'{"192.0.2.7":{"lo_s":"x"}}'])
async def test_a_memo_that_cannot_be_read_costs_what_it_knew_and_nothing_else(
    memo: bytes | None,
) -> None:
    world = learning()
    if memo is not None:
        world.hub.keep_memo(MEMO, memo)
    await tuning_of(world).recall()
    assert len(tuning_of(world).tuner) == 0
    assert len(world.logged("tuning_unreadable")) == (memo is not None)


async def test_who_never_answered_a_ping_is_judged_as_ever() -> None:
    world = learning()
    device = Behind(world, forgets_s=-1)
    world.pass_time(70)
    assert device.connection.heartbeat.verdict is Verdict.SUSPICIOUS
    world.pass_time(25)
    assert device.connection.lifecycle.state is not State.IDLE
    assert len(tuning_of(world).tuner) == 0


async def test_an_unwell_loop_lengthens_every_wait_for_an_answer() -> None:
    world = learning()
    Behind(world)
    world.pass_time(HOUR_S / 4)
    world.stall(1)
    world.node.each_second()
    tuner = tuning_of(world).tuner
    assert {judge.stretch for judge in tuner._judges.values()} == {2.0}
