"""A gateway with everything around it, on whatever loop is running."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Self, TextIO

from keepline.app.composition import Composition
from keepline.errors import StartError
from keepline.gateway.paths import DEVICE_PATH
from keepline.gateway.sockets import local_url
from keepline.lifecycle.wheel import TICK_S
from keepline.reasons import CloseReason
from keepline.settings.given import settings_from

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from keepline.app.estate import Estate
    from keepline.app.upgrades import Upgrades
    from keepline.gateway.auth import Authenticator
    from keepline.gateway.handler import AnyHandler
    from keepline.gateway.isolation.parting import OnGone
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session
    from keepline.log import Log
    from keepline.monitor.heap import Heap
    from keepline.monitor.notifiers.callbacks import OnAlert
    from keepline.settings import Settings


class Gateway:
    """Takes devices from `start` to `stop`, or within `async with`; used once.

    It changes nothing of the process it runs in: no signals, no limits, no garbage collector, no
    logging of others. `serve` does that, around one of these.
    """

    def __init__(
        self,
        handler: Callable[[], AnyHandler],
        settings: Settings | Mapping[str, Any] | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        token: str | None = None,
        admin_port: int | None = None,
        authenticator: Authenticator | None = None,
        log: TextIO | None = None,
        sockets: Sequence[socket.socket] = (),
        heap: Heap | None = None,
        estate: Estate | None = None,
    ) -> None:
        """Check what is given; nothing is built yet. Raises SettingsError.

        `handler` is called once for each session, mostly a class. `settings` may be nested as the
        settings file is; `host`, `port` and `token` stand for `server.host`, `server.port` and
        `auth.token`. Port 0 lets the system choose. Operators have a port only where `admin_port`
        is given. `authenticator` judges devices instead of what the settings say. Log lines go to
        `log`, without it to stderr. `sockets` that listen already stand for host and port. `heap`
        is minded for the whole process, `estate` what it has from the one before it,
        and a reason to leave it to the next.
        """
        self.settings = settings_from(
            settings,
            server={"host": host, "port": port},
            auth={"token": token},
            admin={"port": admin_port},
        )
        self._has_admin = admin_port is not None
        self._authenticator = authenticator
        self._handler = handler
        self._stream = log
        self._sockets = sockets
        self._heap = heap
        self._estate = estate
        self._on_gone: list[OnGone] = []
        self._on_alert: list[OnAlert] = []
        self._built: Composition | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # -- start and stop --------------------------------------------------------------------

    async def start(self) -> None:
        """Start in order: devices, then operators. Raises StartError; then nothing is left."""
        if self._built is not None:
            raise StartError("this gateway was started before", "make another one")
        self._built = Composition(
            self.settings,
            self._handler,
            stream=self._stream or sys.stderr,
            authenticator=self._authenticator,
            has_admin=self._has_admin,
            heap=self._heap,
            estate=self._estate,
        )
        for callback in self._on_gone:
            self._built.node.isolation.callbacks.add(callback)
        for on_alert in self._on_alert:
            self._built.alerting.callbacks.add(on_alert)
        try:
            await self._built.start(self._sockets)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in order: devices leave, then the operators' view of it. Nothing is left behind.

        Idempotent: later calls wait for the first. Devices leave by a drain, conversations when
        their turn is over; bounded by `drain.limit_s`.
        """
        if self._built is None:
            return
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._built.stop())
        await asyncio.shield(self._stopping)

    @property
    def upgrades(self) -> Upgrades | None:
        """Whoever wants to replace this process speaks to these; None where nobody can."""
        return self._running.succession.upgrades

    async def drain(self, *, target: str | None = None) -> bool:
        """Have every device leave by plan, and wait until they have; False if it was aborted.

        Joins a drain that is under way. Nobody is let in afterwards; `stop` does the rest. `target`
        is where devices that can be told are to go.
        """
        drain = self._running.node.drain
        drain.start("program", target=target)
        return await drain.over()

    def hurry(self) -> None:
        """Drop every connection at once, while `stop` is under way."""
        self._running.node.drain.hurry()

    async def hand_on(self) -> None:
        """Have the devices go to the other workers of this machine, by an upgrade's drain."""
        await self._running.succession.hand_on()

    def reload_certificate(self) -> bool:
        """Load the TLS certificate anew for connections to come; False when there is none."""
        return self._running.gateway.reload_certificate()

    def on_gone(self, callback: OnGone) -> None:
        """Have `callback(gone)` called for every session that has been cleaned up, from now on.

        It may be async; then it has `session.closed_timeout_s`. What it raises is told in the log.
        """
        self._on_gone.append(callback)
        if self._built is not None:
            self._built.node.isolation.callbacks.add(callback)

    def add_alert_callback(self, callback: OnAlert) -> None:
        """Have `callback(notice)` called for whatever happens to an alert, from now on.

        It may be async; then it has `alerts.timeout_s`. What it raises is told in the log.
        """
        self._on_alert.append(callback)
        if self._built is not None:
            self._built.alerting.callbacks.add(callback)

    # -- what is going on ------------------------------------------------------------------

    @property
    def log(self) -> Log:
        return self._running.log

    @property
    def node(self) -> Node:
        """What the connections share, for those who look inside."""
        return self._running.node

    @property
    def port(self) -> int:
        """Where devices connect; the one that was chosen, if it was to be."""
        return self._running.node.port

    @property
    def admin_port(self) -> int | None:
        """Where operators look, `None` for nowhere."""
        admin = self._running.admin
        return None if admin is None else admin.port

    @property
    def url(self) -> str:
        """Where a device on this machine connects."""
        scheme = "ws" if self.settings.tls.certificate is None else "wss"
        return local_url(scheme, self.settings.server.host, self.port, f"{DEVICE_PATH}/")

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The live sessions, in the order in which they came."""
        return tuple(self._running.node.registry)

    def session(self, device_id: str) -> Session | None:
        """Return the live session of a device, `None` when there is none."""
        return self._running.node.registry.by_device(device_id)

    async def kick(self, device_id: str, reason: CloseReason = CloseReason.KICKED) -> bool:
        """Close a device's session and wait until it is cleaned up; False when there is none."""
        registry = self._running.node.registry
        session = registry.by_device(device_id)
        if session is None:
            return False
        session.close(reason)
        # Bounded by the close and by the end of its handler. Nobody else pays for an event.
        while session in registry:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        return True

    @property
    def _running(self) -> Composition:
        if self._built is None:
            raise StartError("this gateway was not started", "use it within `async with`")
        return self._built
