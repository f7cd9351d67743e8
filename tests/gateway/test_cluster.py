"""Two whole gateways on one engine: what a device notices of there being two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from keepline import Gateway, Handler, Session
from keepline.errors import StartError
from keepline.messages import Custom, DeviceMessage
from tests.conftest import DEVICE_ID, TOKEN
from tests.gateway.peers import dial, heard
from tests.hub.engine import Engine
from tests.waiting import PATIENCE_S, eventually

HELLO = '{"type":"hello","features":{"resume":true}}'
COUNT = '{"type":"custom","payload":"count"}'


class Counter(Handler):
    """Counts in memory alone."""

    def __init__(self) -> None:
        self.count = 0

    def restore(self, state: bytes) -> None:
        self.count = int(state)

    def snapshot(self) -> bytes:
        return str(self.count).encode()

    async def text(self, session: Session, message: DeviceMessage) -> None:
        self.count += 1
        session.send(Custom(payload=self.count))


class Nodes:
    """Gateways of one cluster."""

    def __init__(self, engine: Engine, path: Path, stack: AsyncExitStack) -> None:
        self.engine = engine
        self.logs: dict[str, StringIO] = {}
        self._path = path
        self._stack = stack

    async def start(self, name: str, **cluster: Any) -> Gateway:
        log = self.logs[name] = StringIO()
        (self._path / name).mkdir(exist_ok=True)
        settings = {
            "data_dir": str(self._path / name),
            "flapping": {"enabled": False},
            "cluster": {"url": self.engine.url, "node": name, **cluster},
        }
        gateway = Gateway(Counter, settings, port=0, token=TOKEN, log=log)
        return await self._stack.enter_async_context(gateway)

    def logged(self, name: str, event: str) -> list[dict[str, Any]]:
        lines = map(json.loads, self.logs[name].getvalue().splitlines())
        return [line for line in lines if line["event"] == event]


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    engine = Engine(tmp_path / "engine")
    await engine.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.kill)
        yield Nodes(engine, tmp_path, stack)


async def greeted(device: ClientConnection) -> str:
    await device.send(HELLO)
    resume: str = (await heard(device))["resume"]
    return resume


async def count(device: ClientConnection) -> int:
    await device.send(COUNT)
    reached: int = (await heard(device))["payload"]
    return reached


async def test_a_device_that_comes_to_another_node_goes_on_where_it_was(nodes: Nodes) -> None:
    one, two = await nodes.start("one"), await nodes.start("two")
    async with dial(one.port) as older:
        assert await greeted(older) == "new"
        assert await count(older) == 1
        async with dial(two.port) as newer:  # the older connection still stands
            assert await greeted(newer) == "resumed"
            assert await count(newer) == 2
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(older.recv(), PATIENCE_S)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "replaced")
    async with dial(one.port) as again:
        assert await greeted(again) == "resumed"
        assert await count(again) == 3


async def test_a_message_reaches_a_device_by_any_node(nodes: Nodes) -> None:
    one, two = await nodes.start("one"), await nodes.start("two")
    async with dial(one.port) as device:
        await greeted(device)
        alert = b'{"type":"alert","status":"s","message":"m","emotion":"e"}'
        await two.node.hub.send(DEVICE_ID.lower(), alert, PATIENCE_S)
        assert (await heard(device))["type"] == "alert"


async def test_a_device_that_is_here_stays_while_the_engine_is_away_and_others_are_told(
    nodes: Nodes,
) -> None:
    one = await nodes.start("one")
    async with dial(one.port) as device:
        await greeted(device)
        await nodes.engine.kill()
        await eventually(lambda: nodes.logged("one", "cluster_away"))
        assert await count(device) == 1
        with pytest.raises(InvalidStatus) as refused:
            async with dial(one.port, "02:00:00:00:00:99"):
                pass
        assert refused.value.response.status_code == 503
        await nodes.engine.start()
        await eventually(lambda: nodes.logged("one", "cluster_back"))
        assert await count(device) == 2
    async with dial(one.port) as again:
        assert await greeted(again) == "resumed"
        assert await count(again) == 3


async def test_a_gateway_without_its_engine_does_not_start_and_says_what_to_do(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepline.hub.cluster.link.OPEN_S", 0.2)
    await nodes.engine.kill()
    with pytest.raises(StartError, match=r"cannot reach the cluster at nats://127.0.0.1:\d+"):
        await nodes.start("one")
