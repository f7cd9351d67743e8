"""A gateway in somebody's own program: what it does there, and what it leaves alone."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import uvloop

from keepline import Gateway, Gone, Handler, Identity, RefusedError, Session, Settings
from keepline.errors import SettingsError, StartError
from keepline.handlers.echo import Echo
from keepline.messages import DeviceMessage, Listen, Stt
from keepline.reasons import CloseReason
from tests.conftest import TOKEN
from tests.gateway.peers import dial, heard, talk
from tests.waiting import PATIENCE_S, eventually, within

HOUR_S = 3_600


class Assistant(Handler):
    """Repeats what it was told."""

    def text(self, session: Session, message: DeviceMessage) -> None:
        match message:
            case Listen(text=str(said)):
                session.send(Stt(f"You said {said}"))


class Reluctant(Handler):
    async def closed(self, session: Session, reason: CloseReason) -> None:
        await asyncio.sleep(HOUR_S)


def gateway(handler: Callable[[], Handler] = Echo, **options: Any) -> Gateway:
    """A gateway on a free port that logs into memory."""
    return Gateway(handler, **{"port": 0, "token": TOKEN, "log": StringIO(), **options})


LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    uvloop.new_event_loop,
]


def run(
    work: Callable[[], Coroutine[Any, Any, None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work())


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_a_device_talks_to_the_handler_on_any_loop(loop_factory: Any) -> None:
    async def program() -> None:
        async with gateway(Assistant) as running:
            assert running.url == f"ws://127.0.0.1:{running.port}/xiaozhi/v1/"
            async with talk(running.port, "device-1") as device:
                await device.send(json.dumps({"type": "listen", "state": "detect", "text": "hi"}))
                assert (await heard(device))["text"] == "You said hi"
                [session] = running.sessions
                assert running.session("device-1") is session
                assert running.session("device-2") is None

    run(program, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_stop_closes_every_session_and_leaves_nothing_behind(loop_factory: Any) -> None:
    async def program() -> None:
        tasks = asyncio.all_tasks()
        running = gateway(admin_port=0)
        await running.start()
        async with talk(running.port) as device:
            await asyncio.gather(running.stop(), running.stop())
            await device.wait_closed()
            assert device.close_code == 1001
        await running.stop()
        assert running.sessions == ()
        await eventually(lambda: asyncio.all_tasks() == tasks)

    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    run(program, loop_factory)  # what is loaded once stays
    before, threads = descriptors(), set(threading.enumerate())
    run(program, loop_factory)
    for thread in set(threading.enumerate()) - threads:
        thread.join(PATIENCE_S)  # it may be just ending
    assert set(threading.enumerate()) <= threads
    assert descriptors() == before


def state_of_the_process() -> list[object]:
    return [
        [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)],
        resource.getrlimit(resource.RLIMIT_NOFILE),
        (gc.get_freeze_count(), gc.get_threshold(), gc.isenabled()),
        sys.getswitchinterval(),
        (logging.root.handlers, logging.root.level),
        asyncio.get_running_loop().get_exception_handler(),
        threading.excepthook,
    ]


async def test_nothing_of_the_process_is_changed() -> None:
    before = state_of_the_process()
    async with gateway(admin_port=0) as running, talk(running.port):
        running.node.each_second()
        assert state_of_the_process() == before
    assert state_of_the_process() == before


async def test_several_live_in_one_process() -> None:
    async with gateway(admin_port=0) as one, gateway(Assistant, admin_port=0) as other:
        assert len({one.port, other.port, one.admin_port, other.admin_port}) == 4
        async with talk(one.port), talk(other.port):
            assert [len(each.sessions) for each in (one, other)] == [1, 1]
            await one.stop()
            assert len(other.sessions) == 1


async def test_without_an_admin_port_there_is_no_admin_server() -> None:
    async with gateway() as running:
        assert running.admin_port is None


async def test_who_is_kicked_is_gone_when_the_call_returns() -> None:
    async with gateway() as running, talk(running.port, "device-1") as device:
        assert await running.kick("device-1")
        assert running.session("device-1") is None
        await device.wait_closed()
        assert (device.close_code, device.close_reason) == (4002, "kicked")
        assert not await running.kick("device-1")


async def test_a_kick_may_say_why() -> None:
    async with gateway() as running, talk(running.port, "device-1") as device:
        assert await running.kick("device-1", CloseReason.REVOKED)
        await device.wait_closed()
        assert device.close_code == 4004


async def test_who_wants_to_know_is_told_who_has_gone_and_why() -> None:
    told: list[Gone] = []
    later: list[str] = []
    made = gateway()
    made.on_gone(told.append)

    async def note(gone: Gone) -> None:
        later.append(gone.device_id)

    async with made as running:
        running.on_gone(note)
        async with talk(running.port, "device-1"):
            await running.kick("device-1")
        async with talk(running.port, "device-2"):
            pass
    assert [(gone.device_id, gone.reason) for gone in told] == [
        ("device-1", CloseReason.KICKED),
        ("device-2", CloseReason.DEVICE_SAID_CLOSE),
    ]
    assert later == ["device-1", "device-2"]


async def test_a_hurry_drops_who_does_not_go() -> None:
    settings = {"session": {"closed_timeout_s": 0.1}, "profiles": {}}
    async with gateway(Reluctant, settings=settings) as running, talk(running.port):
        stopping = asyncio.create_task(running.stop())
        await asyncio.sleep(0)
        running.hurry()
        async with within(PATIENCE_S):
            await stopping


async def test_a_device_is_judged_by_the_authenticator_that_is_given() -> None:
    class Odd:
        async def judge(self, request: Any) -> Identity:
            device_id = request.headers.get("device-id", "")
            if int(device_id) % 2 == 0:
                raise RefusedError("even", CloseReason.FORBIDDEN)
            return Identity(device_id, "")

    async with gateway(authenticator=Odd(), token=None, host="127.0.0.1") as running:
        async with talk(running.port, "7"):
            assert running.session("7") is not None
        with pytest.raises(Exception, match="403"):
            async with dial(running.port, "8"):
                pass


async def test_a_port_that_is_taken_is_told_and_nothing_is_left() -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for options in ({"port": taken.getsockname()[1]}, {"admin_port": taken.getsockname()[1]}):
            with pytest.raises(StartError, match="cannot listen"):
                await gateway(**options).start()
    assert asyncio.all_tasks() == tasks
    await eventually(lambda: set(threading.enumerate()) <= threads)  # the hub's ends in a moment


def opened_in(folder: Path) -> list[Path]:
    opened = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.exists()]
    return [each for each in opened if each.is_relative_to(folder)]


@pytest.mark.skipif(not Path("/proc").exists(), reason="what is open is read from /proc")
@pytest.mark.parametrize(
    "settings",
    [
        {"upstream": {"urls": ["wss://voice.example/"]}, "relay": {"ca": __file__}},
        {"alerts": {"command": ["/nowhere"]}},
    ],
)
async def test_a_gateway_that_cannot_be_built_leaves_its_state_closed(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(StartError) as failed:
        await gateway(settings={"data_dir": str(tmp_path), **settings}).start()
    assert not opened_in(tmp_path), failed.value


async def test_a_state_is_one_gateways_until_it_has_stopped(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path)}
    async with gateway(settings=settings):
        with pytest.raises(StartError, match="another gateway keeps its state"):
            await gateway(settings=settings).start()
    async with gateway(settings=settings):
        pass


async def test_the_state_of_a_gateway_is_not_even_opened_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"data_dir": str(tmp_path)}
    async with gateway(settings=settings):
        opened = Mock()  # by a newer version it would be brought into a form of its own
        monkeypatch.setattr("keepline.app.memory.Database", opened)
        with pytest.raises(StartError, match="another gateway keeps its state"):
            await gateway(settings=settings).start()
        opened.assert_not_called()


@pytest.mark.parametrize("part", ["gateway", "telling", "sampler"])
async def test_a_step_of_its_stop_that_fails_keeps_no_other_from_its_turn(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    lines = StringIO()
    running = gateway(log=lines, settings={"data_dir": tmp_path})
    await running.start()
    composition = running._running
    stop = getattr(composition, part).stop
    monkeypatch.setattr(getattr(composition, part), "stop", fails)
    await running.stop()
    await stop()
    events = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert events.count("stop_step_failed") == 1
    assert events[-1] == "stopped"
    async with gateway(settings={"data_dir": tmp_path}):  # and the directory is free again
        pass


async def test_it_is_used_once_and_only_after_its_start() -> None:
    running = gateway()
    await running.stop()
    with pytest.raises(StartError, match="was not started"):
        _ = running.port
    async with running:
        with pytest.raises(StartError, match="make another one"):
            await running.start()
    with pytest.raises(StartError, match="make another one"):
        await running.start()


def test_settings_come_as_they_are_or_nested_and_the_names_of_options_win() -> None:
    settings = Settings.model_validate({"session": {"idle_after_s": 5}, "server": {"port": 7}})
    for given in (settings, {"session": {"idle_after_s": 5}, "server": {"port": 7}}):
        made = Gateway(Echo, given, host="::1", token="another").settings
        assert made.session.idle_after_s == 5
        assert (made.server.host, made.server.port) == ("::1", 7)
        assert made.auth.token == "another"
    assert Gateway(Echo).settings == Settings()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"port": 70_000}, "server.port: "),
        ({"settings": {"sesion": {}}}, "sesion: "),
        ({"settings": {"session": {"idle_after_s": 0}}}, "session.idle_after_s: "),
        ({"port": 5, "admin_port": 5}, "admin.port must differ"),
    ],
)
def test_settings_that_cannot_be_are_told_at_once(options: Any, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        Gateway(Echo, **options)
    assert problem in error.value.problem


async def test_a_gateway_that_everybody_could_enter_does_not_start() -> None:
    with pytest.raises(StartError, match="no token"):
        await Gateway(Echo, port=0, host="0.0.0.0", log=StringIO()).start()


async def test_its_log_goes_where_it_is_sent() -> None:
    lines = StringIO()
    async with gateway(log=lines) as running, talk(running.port, "device-1"):
        pass
    events = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert events[-1] == "stopped"
    assert "device_connected" in events
