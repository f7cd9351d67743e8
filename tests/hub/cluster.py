"""Several nodes on one real engine, each with a file of its own in memory and one moved clock."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import nats.errors

from keepline.clock import ManualClock
from keepline.errors import HubDownError
from keepline.hub.cluster.hub import NatsHub, Options
from keepline.hub.cluster.link import Address
from keepline.hub.cluster.peers import OVERDUE_TICKS
from keepline.hub.cluster.records import NODE
from keepline.hub.database import Database
from keepline.hub.local import LocalHub, Retention
from tests.hub.cable import Cable
from tests.hub.engine import Engine
from tests.hub.stand_ins import WINDOW_S, CountingNode
from tests.waiting import eventually


class ClusterNode:
    """One node: its hub, whom it holds, and its cable to the engine."""

    def __init__(self, name: str, life: str, hub: NatsHub, cable: Cable) -> None:
        self.name = name
        self.life = life
        self.hub = hub
        self.cable = cable
        self.holder = CountingNode(name)
        self.holder.hub = hub
        self.troubles: list[Exception | None] = []
        self.namesakes: list[str] = []
        self.is_gone = False

    async def log_in(self, device_id: str, session_id: str) -> None:
        """A device comes here, as a person speaks to it."""
        self.holder.open(await self.hub.claim(device_id, session_id))


class Leaving:
    """An elder as its heir knows it; what is asked of it goes over the engine."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def give_up(self, device_id: str) -> None:
        raise AssertionError


class Cluster:
    """Opens nodes, and ends them all."""

    def __init__(self, directory: Path) -> None:
        self.engine = Engine(directory / "engine")
        self.clock = ManualClock()
        self.nodes: list[ClusterNode] = []
        self._directory = directory
        self._executors: list[ThreadPoolExecutor] = []

    async def join(
        self,
        name: str,
        *,
        has_file: bool = False,
        elder: ClusterNode | None = None,
        **options: Any,
    ) -> ClusterNode:
        """Start a node; with an `elder` as its heir on the same file."""
        life = f"{name}-{len(self.nodes)}"
        path = self._directory / f"{name}.db" if has_file else None
        executor = ThreadPoolExecutor(max_workers=1)
        self._executors.append(executor)
        cable = Cable(self.engine.port)
        await cable.mend()
        database = Database(path)
        database.is_shared = elder is not None
        local = LocalHub(
            database,
            node=life,
            loop=asyncio.get_running_loop(),
            executor=executor,
            clock=self.clock,
            retention=Retention(3_600.0, 1_000, 1 << 30),
            on_trouble=lambda _: None,
        )
        troubles: list[Exception | None] = []
        namesakes: list[str] = []
        hub = NatsHub(
            local,
            Options(name, life, Address([cable.url]), **options),
            clock=self.clock,
            draw=lambda: 0.0,
            on_trouble=troubles.append,
            on_namesake=namesakes.append,
        )
        node = ClusterNode(name, life, hub, cable)
        node.troubles = troubles
        node.namesakes = namesakes
        self.nodes.append(node)
        await hub.start(node.holder, WINDOW_S, None if elder is None else Leaving(elder.life))
        return node

    async def kill(self, node: ClusterNode) -> None:
        """End a node as by SIGKILL: nothing is said to anybody, and the engine finds it gone."""
        node.is_gone = True
        await node.hub.cut_off()
        client = await nats.connect(self.engine.url)
        try:
            is_there = True
            while is_there:
                try:
                    await client.request(f"{NODE}{node.life}.ping.x", timeout=0.1)
                except nats.errors.NoRespondersError:
                    is_there = False
                except nats.errors.TimeoutError:
                    continue
        finally:
            await client.close()

    async def beat(self, times: int = 1) -> None:
        """Have a second pass at every node that lives; each hears the others, if it can."""
        for _ in range(times):
            living = [node for node in self.nodes if not node.is_gone]
            for node in living:
                node.hub.each_second()
            heard = [node for node in living if node.hub.link.is_up]
            for node in heard:
                await eventually(lambda node=node: node.hub.has_beaten)  # type: ignore[misc]
            for node in heard:
                with suppress(HubDownError):
                    await node.hub.link.flush()

    async def outwait(self) -> None:
        """Have so much time pass that whoever was not heard is dead."""
        await self.beat(OVERDUE_TICKS + 1)

    async def end(self) -> None:
        for node in self.nodes:
            if not node.is_gone:
                await node.hub.stop(1.0)
            await node.cable.cut()
        for executor in self._executors:
            executor.shutdown()
        await self.engine.kill()
