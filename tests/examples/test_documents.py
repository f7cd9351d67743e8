"""The code in the documents does what they say."""

from __future__ import annotations

import asyncio
import inspect
import re
from io import StringIO
from typing import Any

import pytest

from keepline import Gateway
from keepline.testing import Device
from tests.examples.device import device_of, next_message, says
from tests.house.sources import ROOT
from tests.waiting import eventually


def code_of(page: str) -> str:
    [source] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert isinstance(source, str)
    return source


async def test_the_test_on_the_page_about_testing_passes() -> None:
    names: dict[str, Any] = {}
    exec(code_of("testing.md"), names)
    [test] = [each for name, each in names.items() if name.startswith("test_")]
    await test()


async def test_the_program_on_the_page_about_embedding_serves_until_it_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Gateway] = []

    class Made(Gateway):
        def __init__(self, handler: Any, **options: Any) -> None:
            super().__init__(handler, **{**options, "port": 0, "log": StringIO()})

        async def start(self) -> None:
            await super().start()
            made.append(self)

    names: dict[str, Any] = {}
    source = code_of("embedding.md").removesuffix("asyncio.run(main())\n")
    exec(source, names)
    names["Gateway"] = Made
    program = asyncio.create_task(names["main"]())
    await eventually(lambda: made)
    [gateway] = made
    reachable = type("Reachable", (), {"url": gateway.url, "token": "a-token-of-yours"})
    async with device_of(reachable) as device:
        await says(device, "hello")
        assert (await next_message(device))["text"] == "You said hello"
        program.cancel()
        await device.wait_closed()
        assert device.close_code == 1001
    with pytest.raises(asyncio.CancelledError):
        await program


@pytest.mark.parametrize(
    ("page", "prefix", "kind"),
    [("testing.md", "device", Device), ("embedding.md", "gateway", Gateway)],
)
def test_every_name_on_the_pages_is_there(page: str, prefix: str, kind: type) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    made = set(re.findall(r"self\.(\w+)\b", inspect.getsource(kind)))
    for name in re.findall(rf"`(?:await )?{prefix}\.(\w+)", text):
        assert hasattr(kind, name) or name in made, name
