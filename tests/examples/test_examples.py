"""Every example does what it says, against a real gateway."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from examples.egg_timer import EggTimer
from keepline.cli.handler_name import load_handler
from tests.examples.device import DEVICE_ID, device_of, next_message, says
from tests.house.sources import ROOT, named, python_files
from tests.waiting import eventually


def test_every_example_is_tested_here() -> None:
    examples = {named(path) for path in python_files("examples")}
    assert examples == {"examples/egg_timer.py"}


def test_the_egg_timer_is_found_by_the_name_that_is_typed() -> None:
    assert load_handler("examples.egg_timer:EggTimer").__name__ == "EggTimer"


async def test_the_egg_timer_rings_while_other_things_are_said(start_gateway: Any) -> None:
    async with device_of(await start_gateway(EggTimer)) as device:
        assert (await next_message(device))["type"] == "llm"
        await says(device, "timer 0")
        await says(device, "what a day")
        heard = [await next_message(device) for _ in range(3)]
    by_type = {message["type"]: message for message in heard}
    assert [message["text"] for message in heard if message["type"] == "stt"] == [
        "timer 0",
        "what a day",
    ]
    assert by_type["alert"]["message"] == "Your egg is ready"


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
