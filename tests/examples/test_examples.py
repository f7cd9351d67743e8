"""Every example does what it says."""

from __future__ import annotations

import asyncio
import hashlib
import re
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from examples import speech_service, town_crier, voice_assistant
from examples.allow_list import AllowList
from examples.egg_timer import EggTimer
from examples.parrot import Parrot
from keepline import Gateway
from keepline.cli.authenticator_name import load_authenticator
from keepline.cli.handler_name import load_handler
from keepline.messages import Abort, Alert, Listen, Llm, Stt, Tts
from keepline.testing import Device, Stage
from tests.examples.device import DEVICE_ID, device_of, next_message, says
from tests.house.sources import ROOT, named, python_files
from tests.waiting import eventually

TESTED = ("allow_list", "egg_timer", "parrot", "speech_service", "town_crier", "voice_assistant")
HANDLERS = ("egg_timer:EggTimer", "parrot:Parrot", "voice_assistant:Assistant")


def said(text: str) -> Listen:
    return Listen(state="detect", text=text)


def test_every_example_is_tested_here() -> None:
    examples = {named(path) for path in python_files("examples")}
    assert examples == {f"examples/{name}.py" for name in TESTED}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_is_found_by_the_name_that_is_typed(name: str) -> None:
    source = (ROOT / "examples" / f"{name.partition(':')[0]}.py").read_text("utf-8")
    assert f"keepline serve examples.{name}\n" in source
    assert load_handler(f"examples.{name}").__name__ == name.partition(":")[2]


# -- the egg timer -------------------------------------------------------------------------


async def test_the_egg_timer_rings_while_other_things_are_said() -> None:
    async with Stage(EggTimer) as device:
        assert device.heard == [Llm(emotion="happy")]
        device.say(said("timer 5"))
        device.say(said("what a day"))
        await device.advance(4.9)
        assert device.heard[1:] == [Stt("timer 5"), Stt("what a day")]
        await device.advance(0.1)
        assert device.heard[3:] == [
            Alert(status="Timer", message="Your egg is ready", emotion="happy")
        ]


async def test_the_egg_timer_says_which_eggs_were_left(
    start_gateway: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await start_gateway(EggTimer)
    async with device_of(gateway) as device:
        await says(device, "timer 600")
        await next_message(device)
        await next_message(device)
    await eventually(lambda: gateway.logged("device_disconnected"))
    assert (
        capsys.readouterr().out == f"{DEVICE_ID} left (device_said_close); eggs on the stove: 1\n"
    )


# -- the parrot ----------------------------------------------------------------------------


async def test_the_parrot_says_back_what_it_heard_and_each_turn_alone() -> None:
    async with Stage(Parrot) as device:
        for frames in ([b"one", b"two"], [b"three"]):
            device.played.clear()
            device.say(Listen(state="start", mode="manual"))
            device.record(*frames)
            device.say(Listen(state="stop"))
            await device.advance(2)
            assert device.played == frames
        assert device.heard == [Tts("start"), Tts("stop")] * 2


# -- the voice assistant -------------------------------------------------------------------


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speech service, asked without a network."""
    transport = httpx.ASGITransport(app=speech_service.app)
    client = httpx.AsyncClient(transport=transport, base_url="http://service")
    monkeypatch.setattr(voice_assistant, "service", client)


async def listen_to(device: Device, text: str) -> None:
    device.say(Listen(state="start", mode="manual"))
    device.record(*(word.encode() for word in re.findall(r"\S+ ?", text)))
    device.say(Listen(state="stop"))
    await device.advance(0.5)


@pytest.mark.usefixtures("service")
async def test_the_assistant_hears_and_answers_aloud() -> None:
    async with Stage(voice_assistant.Assistant) as device:
        await listen_to(device, "what a day")
        await device.advance(2)
        assert device.heard == [
            Stt("what a day"),
            Llm(emotion="happy"),
            Tts("start"),
            Tts("sentence_start", "You said what a day"),
            Tts("stop"),
        ]
        assert device.played == [b"You", b"said", b"what", b"a", b"day"]


@pytest.mark.usefixtures("service")
async def test_the_assistant_stops_when_it_is_interrupted() -> None:
    async with Stage(voice_assistant.Assistant) as device:
        device.say(said("word " * 200))
        await device.advance(1)
        device.say(Abort())
        await device.advance(0)
        played = len(device.played)
        assert 10 < played < 50
        assert device.heard[-1] == Tts("stop")
        await device.advance(10)
        assert len(device.played) == played


@pytest.mark.usefixtures("service")
async def test_the_assistant_turns_the_volume_of_the_device() -> None:
    async with Stage(voice_assistant.Assistant) as device:
        device.tools = {voice_assistant.VOLUME: True}
        device.say(said("louder please"))
        await device.advance(2)
        assert device.called == [(voice_assistant.VOLUME, {"volume": 80})]
        assert Tts("sentence_start", "Better?") in device.heard


@pytest.mark.usefixtures("service")
async def test_the_assistant_says_what_the_device_cannot() -> None:
    async with Stage(voice_assistant.Assistant) as device:
        device.say(said("louder please"))
        await device.advance(2)
        subtitle = f"I cannot: Unknown tool: {voice_assistant.VOLUME}"
        assert Tts("sentence_start", subtitle) in device.heard


# -- the allow list ------------------------------------------------------------------------


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with one device on it, where the example looks for it."""
    digest = hashlib.sha256(b"its-token").hexdigest()
    (tmp_path / "devices.txt").write_text(f"{DEVICE_ID} {digest}\n\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("listed")
async def test_the_allow_list_lets_in_who_is_on_it_and_nobody_else() -> None:
    judge = load_authenticator("examples.allow_list:AllowList")
    async with Stage(Parrot, {"auth": {"token": "its-token"}}, authenticator=judge) as device:
        assert device.session.device_id == DEVICE_ID
        with pytest.raises(ConnectionRefusedError, match="403"):
            await device.stage.enter("02:00:00:00:00:99")
    with pytest.raises(ConnectionRefusedError, match="401"):
        async with Stage(Parrot, {"auth": {"token": "another"}}, authenticator=AllowList()):
            pass


@pytest.mark.usefixtures("listed")
async def test_the_allow_list_works_in_a_gateway_too() -> None:
    async with Gateway(Parrot, port=0, authenticator=AllowList(), log=StringIO()) as gateway:
        stranger = type("Stranger", (), {"url": gateway.url, "token": "a-guess"})
        with pytest.raises(InvalidStatus, match="401"):
            async with device_of(stranger):
                pass


# -- the town crier ------------------------------------------------------------------------


async def test_the_town_crier_tells_every_device(capsys: pytest.CaptureFixture[str]) -> None:
    async with Gateway(Parrot, port=0, token="a-token", log=StringIO()) as gateway:
        reachable = type("Reachable", (), {"url": gateway.url, "token": "a-token"})
        async with device_of(reachable) as device:
            await town_crier.cry(gateway, StringIO("Hear, hear\n"))
            assert (await next_message(device))["message"] == "Hear, hear"
    assert capsys.readouterr().out == "told 1 devices\n"


async def test_the_town_crier_serves_for_as_long_as_somebody_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("one\n"))
    monkeypatch.setattr(town_crier, "Gateway", lambda handler: Gateway(handler, port=0))
    await asyncio.wait_for(town_crier.main(), 10)
    assert "devices connect at ws://127.0.0.1:" in capsys.readouterr().out


# -- the readme ----------------------------------------------------------------------------


async def test_the_handler_in_the_readme_answers(
    start_gateway: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "assistant.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    handler = load_handler("assistant:Assistant")
    async with device_of(await start_gateway(handler)) as device:
        await says(device, "hello")
        assert (await next_message(device))["text"] == "You said hello"
