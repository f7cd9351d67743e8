from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from keepline.gateway.drain.sequence import SAVED_S
from keepline.gateway.session import Session
from keepline.reasons import CloseReason
from keepline.wire.messages import Hello, Tts
from tests.unit.gateway.drain.leaving import LISTENS, RETURNING, TOLD, Leaving
from tests.unit.gateway.fakes import Life, Recorder
from tests.unit.gateway.virtual_time import pass_time, virtual


async def left(world: Leaving) -> float:
    """Drain to the end; return how long that took."""
    began_at = world.clock.now()
    world.drain.start("a test")
    assert await world.drain.over()
    return world.clock.now() - began_at


def last_words(life: Life) -> list[Any]:
    return [each for each in life.heard if each["type"] in {"alert", "reconnect"}]


@virtual
async def test_a_node_with_nobody_has_left_at_once_and_in_one_line_of_the_log() -> None:
    world = Leaving()
    assert await left(world) < 0.1
    assert world.phases() == ["ended"]
    assert world.logged("drain_planned")[0]["level"] == "debug"
    assert world.node.draining


@virtual
async def test_of_a_node_with_somebody_each_step_is_told() -> None:
    world = Leaving()
    world.connect()
    await left(world)
    assert world.phases() == ["planning", "leaving", "saving", "ended"]
    assert world.logged("drain_planned")[0]["level"] == "info"


@virtual
async def test_a_handful_is_gone_when_their_close_has_timed_out() -> None:
    world = Leaving()
    lives = [world.connect(f"device-{number}") for number in range(5)]
    assert await left(world) < 1.5
    assert [life.transport.close_code for life in lives] == [1001] * 5
    assert world.drain.progress().counts.timed_out == 5
    assert not world.node.registry


@virtual
async def test_a_close_that_is_answered_is_not_waited_for() -> None:
    world = Leaving(profiles={"xiaozhi": {"close_timeout_s": 3}})
    life = world.connect()
    world.drain.start("a test")
    await pass_time(0.1)
    life.says_close(b"\x03\xe9")
    life.loses_tcp()
    assert await world.drain.over()
    assert world.passed_s < 0.5
    assert world.drain.progress().counts.confirmed == 1


@virtual
async def test_balancers_are_given_time_in_which_devices_are_still_let_in() -> None:
    world = Leaving(drain={"unready_s": 5})
    world.drain.start("a test")
    await pass_time(4)
    assert world.drain.is_leaving
    assert not world.node.draining
    world.connect("latecomer")
    assert await world.drain.over()
    assert 5 < world.passed_s < 7
    assert world.counters.disconnects[CloseReason.SERVER_SHUTDOWN] == 1


@virtual
async def test_devices_that_come_back_by_themselves_go_one_by_one_at_the_rate() -> None:
    world = Leaving(profiles=RETURNING, drain={"rate_per_s": 10}, server={"max_connections": 100})
    lives = [world.of_profile("kiosk", f"kiosk-{number}") for number in range(50)]
    world.drain.start("a test")
    gone = []
    for _ in range(5):
        await pass_time(1)
        gone.append(sum(life.transport.close_code == 1012 for life in lives))
    assert all(abs(count - 10 * second) <= 1 for second, count in enumerate(gone, start=1))
    assert await world.drain.over()
    assert world.counters.disconnects[CloseReason.SERVER_RESTART] == 50


@virtual
async def test_the_idle_go_before_the_quiet() -> None:
    world = Leaving(
        profiles=RETURNING,
        drain={"rate_per_s": 10},
        session={"idle_after_s": 2},
        server={"max_connections": 100},
    )
    idle = [world.of_profile("kiosk", f"kiosk-{number}") for number in range(10)]
    await pass_time(3)
    quiet = [world.of_profile("kiosk", f"kiosk-{number}") for number in range(10, 20)]
    world.drain.start("a test")
    await pass_time(1)
    assert sum(life.transport.close_code is not None for life in idle) >= 9
    assert sum(life.transport.close_code is not None for life in quiet) <= 1
    assert await world.drain.over()


@virtual
async def test_a_client_of_ours_is_told_when_and_where_to_come_back() -> None:
    world = Leaving(drain={"target": "wss://other.example/xiaozhi/v1/"})
    lives = [world.connect(f"device-{number}", TOLD) for number in range(20)]
    await left(world)
    told = [words for life in lives for words in last_words(life)]
    assert len(told) == 20
    assert {each["url"] for each in told} == {"wss://other.example/xiaozhi/v1/"}
    assert max(each["after_ms"] for each in told) < 100  # 20 of 700 a second
    assert {life.transport.close_code for life in lives} == {1012}


@virtual
async def test_who_returns_here_is_told_to_come_when_this_gateway_is_back() -> None:
    world = Leaving(drain={"away_s": 7})
    life = world.connect("device-1", TOLD)
    await left(world)
    [told] = last_words(life)
    assert 8_000 < told["after_ms"] < 10_000
    assert "url" not in told


@virtual
async def test_a_device_that_nobody_speaks_to_is_shown_nothing() -> None:
    world = Leaving()
    life = world.connect()
    await left(world)
    assert last_words(life) == []


class Talks(Recorder):
    """Begins to answer what it hears, and says so."""

    async def text(self, session: Session, message: object) -> None:  # type: ignore[override]
        session.send(Tts("start"))
        await pass_time(4)
        session.send(Tts("stop"))


@virtual
async def test_a_conversation_is_closed_when_its_turn_is_over_with_a_notice() -> None:
    world = Leaving(Talks)
    life = world.connect()
    life.says('{"type":"listen","state":"detect","text":"hi"}')
    await pass_time(1)
    assert 3 < await left(world) < 5.5
    assert [each["type"] for each in life.heard][-2:] == ["tts", "alert"]
    assert world.drain.progress().counts.cut == 0
    assert world.drain.progress().counts.told == 1


@virtual
async def test_a_device_that_listens_again_at_once_goes_all_the_same() -> None:
    class Answers(Recorder):
        def audio(self, session: Session, frame: bytes) -> None:
            super().audio(session, frame)
            if self.names.count("audio") == 5:
                session.send(Tts("start"))
                session.send(Tts("stop"))

    world = Leaving(Answers)
    life = world.connect()
    life.says(LISTENS)
    world.drain.start("a test")
    for number in range(40):  # it streams without an end, as stock firmware does
        await pass_time(0.06)
        if life.transport.close_code is None:
            life.streams(b"opus")
        if number == 5:
            life.says(LISTENS)
    assert life.transport.close_code == 1001
    assert world.drain.progress().counts.cut == 0
    assert await world.drain.over()


@virtual
async def test_a_turn_that_does_not_end_is_cut_after_its_time() -> None:
    world = Leaving(drain={"turn_s": 3})
    life = world.connect()
    life.says(LISTENS)
    world.drain.start("a test")
    for _ in range(100):
        await pass_time(0.06)
        if life.transport.close_code is None:
            life.streams(b"opus")
            cut_s = world.passed_s
    assert 2.9 < cut_s < 3.3
    assert world.drain.progress().counts.cut == 1
    [ended] = world.logged("device_disconnected")
    assert ended["detail"] == "cut in a turn"


@virtual
async def test_a_handler_may_take_its_time_to_say_goodbye() -> None:
    class Polite(Recorder):
        async def draining(self, session: Session) -> None:  # type: ignore[override]
            await pass_time(2)
            session.send(Tts("stop"))

    world = Leaving(Polite)
    world.connect()
    assert 2 < await left(world) < 4


@virtual
async def test_who_has_no_slot_in_time_is_closed_at_the_end_and_told_of_before() -> None:
    world = Leaving(
        profiles=RETURNING,
        drain={"rate_per_s": 5, "wait_s": 4, "turn_s": 1},
        server={"max_connections": 20},
    )
    lives = [world.of_profile("kiosk", f"kiosk-{number}") for number in range(40)]
    assert 4 < await left(world) < 6
    assert world.logged("drain_cuts")[0]["quiet"] == 20
    counts = world.drain.progress().counts
    assert abs(counts.forced - 20) <= 1
    assert counts.sent + counts.forced == 40
    assert all(life.handler.names[-1] == "closed" for life in lives)
    assert "forcing" in world.phases()


@virtual
async def test_a_handler_that_does_not_end_keeps_no_drain_beyond_its_limit() -> None:
    class Hangs(Recorder):
        async def closed(self, session: Session, reason: CloseReason) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    world = Leaving(
        Hangs,
        session={"closed_timeout_s": 3},
        drain={"wait_s": 1, "turn_s": 1, "limit_s": 7},
    )
    world.connect()
    assert await left(world) < 7.5
    assert not world.node.registry


@virtual
async def test_a_message_of_the_drain_is_not_said_again_on_the_next_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Session, "forget", lambda _: None)

    class KeepsTalking(Talks):
        def snapshot(self) -> bytes:
            return b"kept"

    world = Leaving(KeepsTalking)
    hello = Hello(features={"ack": True})
    life = world.connect("device-1", hello)
    life.says('{"type":"listen","state":"detect","text":"hi"}')
    await pass_time(1)
    await left(world)
    assert [each["type"] for each in last_words(life)] == ["alert"]
    assert life.session.parting is not None
    assert life.session.parting.undelivered == ()


@virtual
async def test_each_step_is_an_event_of_the_store_and_a_line_of_the_log() -> None:
    world = Leaving()
    world.connect()
    await left(world)
    events = [event for event in await world.hub.latest(limit=50) if not event.device_id]
    kinds = [event.kind for event in reversed(events)]
    assert kinds == ["drain_planning", "drain_leaving", "drain_saving", "drain_ended"]
    told = json.loads(events[0].data)
    assert (told["left"], told["sent"], told["asked_by"]) == (0, 1, "a test")
    assert world.logged("drain_planned")[0]["devices"] == 1


@virtual
async def test_a_loop_that_is_late_slows_the_waves_and_a_calm_one_does_not() -> None:
    world = Leaving(profiles=RETURNING, drain={"rate_per_s": 10}, server={"max_connections": 200})
    for number in range(150):
        world.of_profile("kiosk", f"kiosk-{number}")
    world.drain.start("a test")
    loop: Any = world.node.loop
    for _ in range(60):
        await pass_time(0.02)
        loop.reading += 0.2  # somebody holds the loop
    assert world.drain.progress().rate < 1
    late = world.drain.progress().counts.sent
    assert late < 0.5 * 10 * world.passed_s  # what a stall took is not caught up with
    await pass_time(20)
    assert await world.drain.over()


@virtual
async def test_who_hangs_up_meanwhile_is_simply_gone() -> None:
    world = Leaving(Talks)
    life = world.connect()
    life.says('{"type":"listen","state":"detect","text":"hi"}')
    world.drain.start("a test")
    await pass_time(0.2)
    assert world.drain.progress().talking == 1
    life.loses_tcp()
    assert await world.drain.over()
    assert world.drain.progress().counts.sent == 0
    assert world.counters.disconnects[CloseReason.DEVICE_CLOSED] == 1


@virtual
async def test_a_store_that_cannot_be_written_keeps_no_drain_for_long() -> None:
    world = Leaving()
    world.node.memory._parting["device-1"] = ("owed",)
    assert SAVED_S < await left(world) < SAVED_S + 1
    assert world.drain.progress().unsaved == 1
