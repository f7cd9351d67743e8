"""A node without a network, in time that is moved by hand: the stage for devices in tests."""

from __future__ import annotations

import asyncio
import random
from io import StringIO
from itertools import count
from typing import TYPE_CHECKING, Any

from keepline.gateway.auth import make_authenticator
from keepline.gateway.door import Door
from keepline.gateway.gateway import Gateway
from keepline.gateway.node import Node
from keepline.hub.twin import TwinHub
from keepline.lifecycle.wheel import TICK_S
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.settings.given import settings_from
from keepline.testing.device import DEVICE_ID, HELLO, Device
from keepline.testing.moved_time import MovedTime
from keepline.testing.transport import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from keepline.gateway.auth import Authenticator
    from keepline.gateway.handler import AnyHandler
    from keepline.settings import Settings
    from keepline.testing.line import Line
    from keepline.wire.messages import Hello

SEED = 7


class Stage:
    """Where devices meet a handler: `async with Stage(Assistant) as device`.

    Everything between them is the gateway's own: admission, heartbeat, session, cleanup. The
    running loop's time stands still within the block, except while the stage or a device of it is
    told to `advance`. What the handler raised is raised there, and at the end of the block; with
    `raises=False` it only ends the session, as it does in a gateway, and is kept in `failures`.
    """

    def __init__(
        self,
        handler: Callable[[], AnyHandler],
        settings: Settings | Mapping[str, Any] | None = None,
        *,
        device_id: str = DEVICE_ID,
        hello: Hello = HELLO,
        authenticator: Authenticator | None = None,
        raises: bool = True,
    ) -> None:
        """Raise SettingsError; nothing is built yet."""
        self.settings = settings_from(settings)
        self.token = self.settings.auth.token
        self.failures: list[BaseException] = []
        self.log_lines = StringIO()
        self._handler = handler
        self._authenticator = authenticator
        self._first = (device_id, hello)
        self._raises = raises
        self._told = 0  # of the failures

    async def __aenter__(self) -> Device:
        """Stop the time, and let the first device connect."""
        self._time = MovedTime()
        self.node = self._make_node()
        self._gateway = Gateway(self.node)
        self._time.start()
        try:
            self._gateway.keep_time()
            return await self.enter(*self._first)
        except BaseException:
            await self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the gateway as an operator does, and let time go on."""
        await self._leave()
        if error is None:
            self._raise_failure()

    async def enter(self, device_id: str, hello: Hello = HELLO) -> Device:
        """Let one more device connect."""
        device = Device(self, device_id, hello)
        await device.connect()
        return device

    async def advance(self, by_s: float) -> None:
        """Let time pass, and what is due in it happen. Raises what a handler raised."""
        await self._time.advance(by_s)
        self._raise_failure()

    async def settle(self) -> None:
        """Let happen what needs no time."""
        await self._time.settle()

    def open_transport(self, line: Line) -> MemoryTransport:
        """Open a way for `line`, as an accepted socket is one."""
        transport = MemoryTransport(self.node.loop, line)

        async def way_in(door: Door) -> None:
            door.come_from("127.0.0.1")
            transport.set_protocol(door)
            door.connection_made(transport)

        self.node.arrivals.begin(Door(self.node, way_in))
        return transport

    def _raise_failure(self) -> None:
        if self._raises and self._told < len(self.failures):
            self._told += 1
            raise self.failures[self._told - 1]

    async def _leave(self) -> None:
        stopping = self.node.loop.create_task(self._gateway.stop())
        while not stopping.done():
            await self._time.advance(TICK_S)
        self._time.stop()

    def _make_node(self) -> Node:
        clock = self._time.clock
        log = StageLog(self.log_lines, clock, self.failures)
        counters = Counters()
        numbers = count(1)
        judge = self._authenticator or make_authenticator(
            self.settings, clock=clock, log=log, counters=counters
        )
        return Node(
            self.settings,
            loop=asyncio.get_running_loop(),
            clock=clock,
            random=random.Random(SEED),  # noqa: S311 (the same in every run)
            executor=None,
            handler_threads=self._time.threads,
            log=log,
            counters=counters,
            authenticator=judge,
            make_handler=self._handler,
            make_session_id=lambda: f"session-{next(numbers)}",
            hub=TwinHub(clock),
        )


class StageLog(Log):
    """A log that keeps the exceptions, beside their lines."""

    __slots__ = ("_failures",)

    def __init__(self, lines: StringIO, clock: Any, failures: list[BaseException]) -> None:
        super().__init__(lines, clock, level="debug", style="json", fold_per_s=1_000_000)
        self._failures = failures

    def error(self, event: str, /, **fields: object) -> None:
        """Log a failure, and keep its exception."""
        super().error(event, **fields)
        if isinstance(error := fields.get("error"), BaseException):
            self._failures.append(error)
