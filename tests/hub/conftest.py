"""Hubs to put under the contract: each adapter is one more parameter here."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keepline.clock import ManualClock
from keepline.hub.cluster.hub import NatsHub, Options
from keepline.hub.cluster.link import Address
from keepline.hub.database import Database
from keepline.hub.local import LocalHub, Retention
from keepline.hub.twin import TwinHub
from tests.hub.cluster import Cluster
from tests.hub.engine import Engine
from tests.hub.stand_ins import WINDOW_S, CountingNode


class Under:
    """What a test of the contract has: a hub, its node, and its clock moved by hand."""

    def __init__(
        self, hub: LocalHub | TwinHub | NatsHub, node: CountingNode, clock: ManualClock
    ) -> None:
        self.hub = hub
        self.node = node
        self.clock = clock


Open = Callable[[], Awaitable[Under]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture(params=["file", "nowhere", "twin", "nats"])
async def open_hub(
    request: Any, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Callable[[], Awaitable[Under]]]:
    """Open the hub of one store as often as a test wants, as lives of one node."""
    path = tmp_path / "keepline.db" if request.param in {"file", "nats"} else None
    executors: list[ThreadPoolExecutor] = []
    opened: list[LocalHub | NatsHub] = []
    engine = Engine(tmp_path / "engine") if request.param == "nats" else None
    if engine is not None:
        await engine.start()

    async def start() -> Under:
        node = CountingNode()
        if request.param == "twin":
            twin = TwinHub(clock)
            node.hub = twin
            await twin.start(node, WINDOW_S)
            return Under(twin, node, clock)
        executor = ThreadPoolExecutor(max_workers=1)
        executors.append(executor)
        life = f"{node.name}-{len(opened)}" if engine is not None else node.name
        hub: LocalHub | NatsHub
        hub = local = LocalHub(
            Database(path),
            node=life,
            loop=asyncio.get_running_loop(),
            executor=executor,
            clock=clock,
            retention=Retention(3_600.0, 1_000, 1 << 30),
            on_trouble=lambda _: None,
        )
        if engine is not None:
            hub = NatsHub(
                local,
                Options(node.name, life, Address([engine.url])),
                clock=clock,
                draw=lambda: 0.5,
                on_trouble=lambda _: None,
            )
        opened.append(hub)
        node.hub = hub
        await hub.start(node, WINDOW_S)
        return Under(hub, node, clock)

    yield start
    for hub in opened:
        try:
            await hub.stop(5.0)
        except sqlite3.ProgrammingError:  # a test has stopped it
            continue
    for executor in executors:
        executor.shutdown()
    if engine is not None:
        await engine.kill()


@pytest_asyncio.fixture
async def under(open_hub: Open) -> Under:
    return await open_hub()


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    await cluster.engine.start()
    yield cluster
    await cluster.end()
