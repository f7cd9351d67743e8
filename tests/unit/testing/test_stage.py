"""The stage: a handler's whole life without a network and without waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import uvloop

from keepline import Handler, Identity, RefusedError, Session
from keepline.errors import SettingsError, StartError
from keepline.messages import Alert, Listen, Stt, Tts
from keepline.reasons import CloseReason
from keepline.testing import Stage
from tests.unit.gateway.fakes import Recorder

# Moved, not waited for.
PACKET_S = 0.06
SECOND_S = 1.0
HOUR_S = 3_600


class Sleeper(Handler):
    """Says something after the seconds it is told."""

    async def text(self, session: Session, message: Any) -> None:
        await asyncio.sleep(float(message.text))
        session.send(Stt(f"slept {message.text}"))


class Faulty(Handler):
    def text(self, session: Session, message: Any) -> None:
        raise ZeroDivisionError


def said(text: str) -> Listen:
    return Listen(state="detect", text=text)


async def test_a_sleep_of_the_handler_ends_when_time_was_moved_and_not_before() -> None:
    async with Stage(Sleeper) as device:
        device.say(said("5"))
        await device.advance(4.999)
        assert device.heard == []
        await device.advance(0.001)
        assert device.heard == [Stt("slept 5")]


async def test_sleeps_one_after_the_other_take_their_own_time_within_one_advance() -> None:
    at: list[float] = []

    class Paced(Handler):
        async def opened(self, session: Session) -> None:
            begin = asyncio.get_running_loop().time()
            for _ in range(5):
                await asyncio.sleep(PACKET_S)
                at.append(asyncio.get_running_loop().time() - begin)

    async with Stage(Paced) as device:
        await device.advance(0.3)
    assert at == pytest.approx([0.06, 0.12, 0.18, 0.24, 0.3])


async def test_timeouts_timers_and_spawned_work_are_in_the_same_time() -> None:
    class Busy(Handler):
        async def opened(self, session: Session) -> None:
            session.after(2, self.ring)
            session.spawn(self.wait(session))
            try:
                async with asyncio.timeout(1):
                    await asyncio.Event().wait()
            except TimeoutError:
                session.send(Stt("timed out"))

        def ring(self, session: Session) -> None:
            session.send(Stt("rang"))

        async def wait(self, session: Session) -> None:
            await asyncio.sleep(3 * SECOND_S)
            session.send(Stt("waited"))

    async with Stage(Busy) as device:
        for expected in ("timed out", "rang", "waited"):
            await device.advance(1)
            assert device.heard[-1] == Stt(expected)


async def test_an_hour_passes_in_no_time_and_the_device_lives() -> None:
    async with Stage(Recorder) as device:
        began = asyncio.get_running_loop().time()
        await device.advance(HOUR_S)
        assert asyncio.get_running_loop().time() - began == pytest.approx(HOUR_S)
        assert device.is_connected
        assert device.handler.names == ["opened", "idle"]
        device.say(said("hello"))
        await device.advance(0)
        assert device.handler.names == ["opened", "idle", "woken", "text"]


async def test_who_goes_silent_is_found_dead() -> None:
    async with Stage(Recorder) as device:
        device.go_silent()
        await device.advance(120)
        assert device.handler.calls[-1] == ("closed", CloseReason.HEARTBEAT_TIMEOUT)
        await device.reconnect()
        assert device.handler.names == ["opened"]


async def test_who_hangs_up_has_ended_it_itself() -> None:
    async with Stage(Recorder) as device:
        device.hang_up()
        await device.advance(0)
        assert device.handler.calls[-1] == ("closed", CloseReason.DEVICE_CLOSED)


async def test_who_comes_back_while_its_former_connection_lives_takes_over() -> None:
    async with Stage(Recorder) as device:
        former = device.handler
        await device.reconnect()
        assert former.calls[-1] == ("closed", CloseReason.REPLACED)
        assert device.handler is not former
        assert device.is_connected


async def test_several_devices_are_on_one_stage() -> None:
    async with Stage(Sleeper) as one:
        other = await one.stage.enter("02:00:00:00:00:02")
        one.say(said("2"))
        other.say(said("1"))
        await one.advance(1)
        assert (one.heard, other.heard) == ([], [Stt("slept 1")])
        assert one.session.device_id != other.session.device_id


async def test_what_a_handler_raised_is_raised_in_the_test() -> None:
    async with Stage(Faulty) as device:
        device.say(said("1"))
        with pytest.raises(ZeroDivisionError):
            await device.advance(0)
        assert device.close_code == 1011


async def test_what_a_handler_raised_at_the_very_end_is_not_lost() -> None:
    class Late(Handler):
        def closed(self, session: Session, reason: CloseReason) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with Stage(Late):
            pass


async def test_a_failure_that_is_expected_only_ends_the_session() -> None:
    async with Stage(Faulty, raises=False) as device:
        device.say(said("1"))
        await device.advance(0)
        assert not device.is_connected
        assert [type(error) for error in device.stage.failures] == [ZeroDivisionError]


async def test_a_failure_of_the_test_itself_is_what_it_ends_with() -> None:
    with pytest.raises(AssertionError):  # noqa: PT012 (the block is the case)
        async with Stage(Faulty) as device:
            device.say(said("1"))
            raise AssertionError


async def test_at_the_end_the_gateway_stops_as_it_does_anywhere() -> None:
    async with Stage(Recorder) as device:
        handler = device.handler
    assert handler.names == ["opened", "draining", "closed"]
    assert handler.calls[-1] == ("closed", CloseReason.SERVER_SHUTDOWN)
    assert device.close_code == 1001


async def test_time_goes_on_afterwards_and_nothing_is_left() -> None:
    loop = asyncio.get_running_loop()
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    before = loop.time()
    async with Stage(Sleeper) as device:
        await device.advance(HOUR_S)
    assert before <= loop.time() < before + 60
    assert asyncio.all_tasks() == tasks
    assert set(threading.enumerate()) <= threads


async def test_settings_of_a_stage_are_those_of_a_gateway() -> None:
    settings = {"session": {"idle_after_s": 5}}
    async with Stage(Recorder, settings) as device:
        await device.advance(5.1)
        assert device.handler.names == ["opened", "idle"]
    with pytest.raises(SettingsError, match="idle_after_s"):
        Stage(Recorder, {"session": {"idle_after_s": 0}})


async def test_a_device_that_is_not_let_in_says_so() -> None:
    class Nobody:
        async def judge(self, request: Any) -> Identity:
            raise RefusedError("go away", CloseReason.FORBIDDEN)

    with pytest.raises(ConnectionRefusedError, match="403"):
        async with Stage(Recorder, authenticator=Nobody()):
            pass
    assert "time" not in vars(asyncio.get_running_loop())


async def test_a_judge_that_takes_its_time_is_waited_for() -> None:
    class Slow:
        async def judge(self, request: Any) -> Identity:
            await asyncio.sleep(2 * SECOND_S)
            return Identity(request.headers["device-id"], "")

    async with Stage(Recorder, authenticator=Slow()) as device:
        assert device.is_connected


async def test_a_device_shows_the_token_of_the_settings() -> None:
    async with Stage(Recorder, {"auth": {"token": "a-token"}}) as device:
        assert device.is_connected


async def test_speech_arrives_at_its_pace() -> None:
    class Speaker(Handler):
        def text(self, session: Session, message: Any) -> None:
            session.speak([b"%d" % number for number in range(50)], "Fifty packets")

    async with Stage(Speaker) as device:
        device.say(said("speak"))
        await device.advance(0)
        assert device.heard == [Tts("start"), Tts("sentence_start", "Fifty packets")]
        assert len(device.played) < 10
        await device.advance(1.2)
        assert 20 <= len(device.played) <= 30
        await device.advance(3)
        assert device.played == [b"%d" % number for number in range(50)]
        assert device.heard[-1] == Tts("stop")


async def test_a_handler_that_never_rests_is_told_and_hangs_no_test() -> None:
    class Restless(Handler):
        async def text(self, session: Session, message: Any) -> None:
            while session.connection.lifecycle.reason is None:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async with Stage(Restless) as device:
        device.say(said("go"))
        with pytest.raises(RuntimeError, match="never comes to rest"):
            await device.advance(0)
        device.session.close()


async def test_two_stages_at_once_need_two_loops() -> None:
    async with Stage(Recorder):
        with pytest.raises(StartError, match="has a Stage already"):
            async with Stage(Recorder):
                pass


def test_a_loop_whose_time_cannot_be_moved_is_refused_with_advice() -> None:
    async def attempt() -> None:
        with pytest.raises(StartError, match="uvloop"):
            async with Stage(Recorder):
                pass

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(attempt())


def test_it_needs_no_plugin_of_a_test_framework() -> None:
    async def rehearse() -> list[object]:
        async with Stage(Ringing) as device:
            await device.advance(5)
            return list(device.heard)

    class Ringing(Handler):
        async def opened(self, session: Session) -> None:
            await asyncio.sleep(5 * SECOND_S)
            session.send(Alert(status="Timer", message="It is time", emotion="happy"))

    [alert] = asyncio.run(rehearse())
    assert isinstance(alert, Alert)
    assert alert.message == "It is time"
