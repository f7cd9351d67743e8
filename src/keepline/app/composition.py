"""What a gateway consists of: built once, started and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from keepline.app import line
from keepline.app.data_directory import held
from keepline.app.elder import Elder
from keepline.app.estate import NOTHING, check_places
from keepline.app.memory import LIFE_PREFIX, begin_life, end_life, make_hub, outlive
from keepline.app.operators import make_admin
from keepline.app.telling import Telling
from keepline.app.upgrades import Upgrades
from keepline.app.watching import make_sampler
from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.gateway.auth import make_authenticator, make_issuer
from keepline.gateway.auth.kept_key import with_kept_key
from keepline.gateway.enrolment.making import make_enrolment, make_ledger
from keepline.gateway.gateway import Gateway
from keepline.gateway.holder import NodeHolder
from keepline.gateway.node import Node
from keepline.gateway.sockets import adopt
from keepline.lifecycle.wheel import TICK_S
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.relay.standing import stand_before
from keepline.relay.upstreams.upkeep import Upkeep

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from keepline.admin.server import AdminServer
    from keepline.app.estate import Estate
    from keepline.clock import Clock
    from keepline.gateway.auth import Authenticator
    from keepline.gateway.handler import AnyHandler
    from keepline.monitor.heap import Heap
    from keepline.settings import Settings

LAST_LINES_S = 2.0  # for a reader of the log to take what waits for it


class Composition:
    """Everything of one gateway, built on the running loop."""

    def __init__(
        self,
        settings: Settings,
        make_handler: Callable[[], AnyHandler],
        *,
        stream: TextIO | None,
        authenticator: Authenticator | None,
        has_admin: bool,
        heap: Heap | None,
        estate: Estate | None = None,
    ) -> None:
        """Build; nothing listens yet. Raises StartError for settings that cannot be run."""
        check_places(estate or NOTHING, settings)
        clock = SystemClock()
        if authenticator is None:
            settings = with_kept_key(settings, secrets.token_bytes)
        self.log = _make_log(settings, stream, clock)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keepline")
        self._handler_threads = ThreadPoolExecutor(  # none is started before it is needed
            settings.handlers.threads, thread_name_prefix="handler"
        )
        loop = asyncio.get_running_loop()
        counters = Counters()
        self.enrolment = make_enrolment(
            settings,
            clock=clock,
            log=self.log,
            counters=counters,
            ledger=make_ledger(settings, loop, self._executor),
            # A judge from outside knows no tokens of ours.
            issuer=None if authenticator else make_issuer(settings, clock=clock, log=self.log),
            executor=self._executor,
            draw=secrets.token_bytes,
        )
        self._hub_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub")
        self._life = LIFE_PREFIX + secrets.token_hex(4)
        self.hub = make_hub(
            settings,
            self._life,
            loop=loop,
            executor=self._hub_thread,
            clock=clock,
            log=self.log,
        )
        spread = random.Random()  # noqa: S311 (pings, upstreams; ids come from `secrets`)
        self.upkeep = (
            Upkeep(settings.upstream, clock=clock, log=self.log, random=spread.random)
            if settings.upstream.urls
            else None
        )
        self.node = Node(
            settings,
            loop=loop,
            clock=clock,
            random=spread,
            executor=self._executor,
            handler_threads=self._handler_threads,
            log=self.log,
            counters=counters,
            authenticator=authenticator
            or make_authenticator(settings, clock=clock, log=self.log, counters=counters),
            make_handler=make_handler,
            make_session_id=lambda: secrets.token_hex(8),
            enrolment=self.enrolment,
            revocations=self.enrolment.ledger,
            hub=self.hub,
            heap=heap,
        )
        self.holder = NodeHolder(self.node, self._life)
        self.enrolment.ledger.on_void = self._revoke
        if self.upkeep is not None:
            self.relay = stand_before(self.node, self.upkeep.pool, secrets.token_bytes)
            self.upkeep.on_draining = self.relay.empty
        self._is_a_process = estate is not None
        self._estate = estate or NOTHING
        self.elder: Elder | None = None
        self._outliving: asyncio.Task[None] | None = None
        self._telling = Telling(self.node, self._estate.run)
        self._has_started = False
        self.upgrades: Upgrades | None = None
        self._data_directory = contextlib.ExitStack()
        self.directory: int | None = None
        self.sampler = make_sampler(self.node)
        self.gateway = Gateway(self.node)
        self.admin: AdminServer | None = (
            make_admin(self.node, self.sampler, self.upkeep) if has_admin else None
        )

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Start in order: devices, then operators. Raises StartError; `stop` then.

        An elder accepts as well until it is told to leave, by `take_over`.
        """
        self.log.start()
        estate = self._estate
        settings = self.node.settings
        self.directory = self._data_directory.enter_context(
            held(settings.data_dir, estate.directory)
        )
        await self.enrolment.open()
        if estate.line is not None:
            loop, end = self.node.loop, self._on_elder_gone
            self.elder = Elder(estate.line, estate.life, loop=loop, log=self.log, on_gone=end)
        await begin_life(self.hub, self.holder, self.node, self.elder)
        await self.sampler.start()
        if self.upkeep is not None:
            self.upkeep.start(self.relay.tls)
        for sock in estate.devices:
            adopt(sock, settings.server.kernel_timeout_s)
        await self.gateway.start(sockets or estate.devices)
        if estate.devices and not estate.is_shared:
            self.node.drain.on_refusing = None  # nobody is left who would take who comes then
        if settings.server.port not in {0, self.node.port}:
            self.log.warning("given_another_port", port=self.node.port, wanted=settings.server.port)
        self._telling.start()  # in the same turn: no device can have come yet
        if self.admin is not None:
            await self.admin.start(estate.admin)
        if self.elder is not None:
            await self._take_over(self.elder)
        if self._is_a_process and self.directory is not None and line.is_possible():
            control = estate.control or line.listen(self.directory)
            self.upgrades = Upgrades(self, control)
        self._has_started = True

    async def stop(self) -> None:
        """Stop in order: devices leave, then who asks and is told, the memory, and the log."""
        await self.gateway.stop()
        if self.elder is not None:
            self.elder.close()
        if self._outliving is not None:
            await self._outliving
        if self.upkeep is not None:
            await self.upkeep.stop()
        if self.admin is not None:
            await self.node.drain.last_look.wait(self.node.clock.now())
            await self.admin.stop()
        await self._telling.stop()
        await self.enrolment.aclose()
        await self.sampler.stop()
        await end_life(self.hub, self.node)
        self._hub_thread.shutdown(wait=False)
        if self.upgrades is not None:
            self.upgrades.leave_no_file()
        self._data_directory.close()
        if self._has_started:
            sessions = self.node.counters.sessions_opened
            self.log.info("stopped", sessions=sessions, **asdict(self.node.drain.totals))
        if self.upgrades is not None:
            self.upgrades.close()
        # Not on the loop: the log may wait for its reader.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self.log.stop, LAST_LINES_S)
        self._executor.shutdown(wait=True)
        # A handler that blocks has been given its time, and must not keep what follows.
        self._handler_threads.shutdown(wait=False, cancel_futures=True)

    # -- one process after another ---------------------------------------------------------

    def bequest(self) -> tuple[dict[str, object], list[int]]:
        """Return what an heir is told and given: sockets of devices and operators, directory."""
        assert self.directory is not None
        admin = None if self.admin is None else self.admin.socket
        listening = [*self.gateway.sockets, *(() if admin is None else (admin,))]
        told = {
            "devices": len(self.gateway.sockets),
            "admin": admin is not None,
            "shared": self._estate.is_shared,
            "life": self._life,
            "run": self._telling.run,
        }
        return told, [*(sock.fileno() for sock in listening), self.directory]

    def hand_over(self) -> None:
        """Accept no device any more, and leave to the heir what one of the two is to do."""
        self.gateway.stop_accepting()
        self.hub.keeps_house = False

    async def settle(self) -> None:
        """Let in who was accepted here, and then begin to drain, towards the heir."""
        if self.admin is not None:
            await self.admin.stop()
        # Bounded by their own deadlines; no admission pays for an event that is needed once.
        while self.node.arrivals.admissions:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        self.node.drain.start("upgrade", away_s=0.0, binding=True)

    async def _take_over(self, elder: Elder) -> None:
        await elder.take_over()
        self.hub.keeps_house = True
        await self._read_ledger()  # which it may have written since

    def _on_elder_gone(self) -> None:
        self._outliving = self.node.loop.create_task(self._outlive())

    async def _outlive(self) -> None:
        await outlive(self.hub, self.node)
        await self._read_ledger()  # whoever was on the way in there has come in since

    async def _read_ledger(self) -> None:
        """Learn whom the elder has enrolled and revoked. From here on it is too late to fail."""
        try:
            await self.enrolment.ledger.reopen()
        except StartError as error:
            self.log.error("ledger_not_read", error=error)

    def _revoke(self, device_id: str) -> None:
        self.node.revoke(device_id)
        if self.elder is not None:
            self.elder.revoke(device_id)


def _make_log(settings: Settings, stream: TextIO | None, clock: Clock) -> Log:
    return Log(
        stream,
        clock,
        level=settings.log.level,
        style=settings.log.format,
        fold_per_s=settings.log.fold_per_s,
        buffer_lines=settings.log.buffer_lines,
        buffer_bytes=settings.log.buffer_bytes,
        secrets=(
            *filter(None, (settings.auth.token, settings.admin.token, settings.webhook.secret)),
            *filter(None, (settings.relay.token, settings.enrolment.callback_token)),
            *(key.partition(":")[2] for key in settings.auth.keys),
        ),
    )
