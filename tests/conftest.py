"""A real gateway on a real socket, for every test that asks for one."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from typing import Any

import hypothesis
import pytest_asyncio
import uvloop

from keepline.clock import SystemClock
from keepline.gateway.auth import make_authenticator, make_issuer
from keepline.gateway.enrolment.making import make_enrolment, make_ledger
from keepline.gateway.gateway import Gateway
from keepline.gateway.handler import AnyHandler
from keepline.gateway.node import Node
from keepline.handlers.echo import Echo
from keepline.hub.twin import TwinHub
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.relay.standing import stand_before
from keepline.relay.upstreams.pool import Pool
from keepline.settings import Settings

TOKEN = "a-token-for-tests"
DEVICE_ID = "02:00:00:00:00:01"

# A machine that is busy makes no example wrong.
hypothesis.settings.register_profile("keepline", deadline=None)
hypothesis.settings.load_profile("keepline")


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class RunningGateway:
    """A started gateway: where it is, and what is inside."""

    node: Node
    gateway: Gateway
    log_lines: StringIO
    token: str = TOKEN

    @property
    def port(self) -> int:
        return self.node.port

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/xiaozhi/v1/"

    @property
    def counters(self) -> Counters:
        return self.node.counters

    async def endings(self, device_id: str = DEVICE_ID) -> list[dict[str, Any]]:
        """Return what is kept of a device's endings, the latest first."""
        events = await self.node.hub.latest(device_id=device_id, kind="offline")
        return [{"at": event.at, **json.loads(event.data)} for event in events]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]


StartGateway = Callable[..., "asyncio.Future[RunningGateway]"]


def make_node(
    settings: Settings, log_lines: StringIO, make_handler: Callable[[], AnyHandler] = Echo
) -> Node:
    loop = asyncio.get_running_loop()
    clock = SystemClock()
    counters = Counters()
    log = Log(log_lines, clock, level="debug", style="json", fold_per_s=10_000, secrets=(TOKEN,))
    ledger = make_ledger(settings, loop, None)
    node = Node(
        settings,
        loop=loop,
        clock=clock,
        random=random.Random(7),
        executor=None,
        handler_threads=ThreadPoolExecutor(settings.handlers.threads, "handler"),
        log=log,
        counters=counters,
        authenticator=make_authenticator(settings, clock=clock, log=log, counters=counters),
        make_handler=make_handler,
        enrolment=make_enrolment(
            settings,
            clock=clock,
            log=log,
            counters=counters,
            ledger=ledger,
            issuer=make_issuer(settings),
            executor=None,
            draw=secrets.token_bytes,
        ),
        make_session_id=lambda: secrets.token_hex(8),
        revocations=ledger,
        hub=TwinHub(clock),
    )
    ledger.on_void = node.revoke
    if settings.upstream.urls:
        pool = Pool(settings.upstream, lambda change: None)
        stand_before(node, pool, secrets.token_bytes)
    return node


@pytest_asyncio.fixture
async def start_gateway() -> AsyncIterator[Callable[..., Any]]:
    """Start as many gateways as a test wants; all are stopped after it."""
    running: list[RunningGateway] = []

    async def start(
        make_handler: Callable[[], AnyHandler] = Echo, **sections: Any
    ) -> RunningGateway:
        document: dict[str, Any] = {
            "server": {"host": "127.0.0.1", "port": 0},
            "auth": {"token": TOKEN},
        }
        for name, section in sections.items():
            inside = isinstance(section, dict)
            document[name] = {**document.get(name, {}), **section} if inside else section
        lines = StringIO()
        node = make_node(Settings.model_validate(document), lines, make_handler)
        gateway = RunningGateway(node, Gateway(node), lines)
        running.append(gateway)
        if node.enrolment is not None:
            await node.enrolment.open()
        await gateway.gateway.start()
        return gateway

    yield start
    for gateway in running:
        await asyncio.wait_for(gateway.gateway.stop(), 30)


@pytest_asyncio.fixture
async def gateway(start_gateway: Callable[..., Any]) -> RunningGateway:
    """A gateway with the echo handler and production settings."""
    started: RunningGateway = await start_gateway()
    return started
