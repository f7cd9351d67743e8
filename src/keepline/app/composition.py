"""What a gateway consists of: built once, started and stopped in order."""

from __future__ import annotations

import asyncio
import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from keepline.admin.former import Former
from keepline.app.alerting import Alerting
from keepline.app.estate import NOTHING, check_places
from keepline.app.memory import LIFE_PREFIX, begin_life, end_life, make_hub, open_database
from keepline.app.operators import make_admin
from keepline.app.session_ids import session_ids
from keepline.app.succession import Succession
from keepline.app.telling import Telling
from keepline.app.watching import make_sampler
from keepline.app.workers import aftermath
from keepline.app.workers.part import shared_directory
from keepline.clock import SystemClock
from keepline.gateway.auth import make_authenticator, make_issuer
from keepline.gateway.auth.kept_key import with_kept_key
from keepline.gateway.enrolment.making import make_enrolment, make_ledger
from keepline.gateway.gateway import Gateway
from keepline.gateway.node import Node
from keepline.log import Log
from keepline.monitor.alerts.incidents import Incidents
from keepline.monitor.metrics import Counters
from keepline.relay.standing import stand_before
from keepline.relay.upstreams.upkeep import Upkeep

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from keepline.admin.server import AdminServer
    from keepline.app.estate import Estate
    from keepline.app.workers.post import Post
    from keepline.clock import Clock
    from keepline.gateway.auth import Authenticator
    from keepline.gateway.enrolment.endpoint import Enrolment
    from keepline.gateway.handler import AnyHandler
    from keepline.hub.database import Database
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
        """Build; nothing listens yet.

        Raises StartError for settings that cannot be run; then nothing is left open.
        """
        given = estate or NOTHING
        check_places(given, settings)
        if authenticator is None:
            settings = with_kept_key(settings, secrets.token_bytes)
        clock = SystemClock()
        self.log = _make_log(settings, stream, clock, given.post)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keepline")
        self._hub_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub")
        self._handler_threads = ThreadPoolExecutor(  # none is started before it is needed
            settings.handlers.threads, thread_name_prefix="handler"
        )
        self.life = LIFE_PREFIX + secrets.token_hex(4)
        self._has_started = False
        database = open_database(settings, is_shared=given.directory is not None)
        try:
            self._build_node(
                settings,
                database,
                clock,
                make_handler,
                authenticator=authenticator,
                heap=heap,
                shared=None if given.post is None else shared_directory(settings),
            )
            self._build_around(estate, has_admin=has_admin)
        except BaseException:
            database.close()
            raise

    def _build_node(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        make_handler: Callable[[], AnyHandler],
        *,
        authenticator: Authenticator | None,
        heap: Heap | None,
        shared: Path | None,
    ) -> None:
        """Build what serves devices, and what it remembers them in."""
        loop, counters, incidents = asyncio.get_running_loop(), Counters(), Incidents()
        self.enrolment = self._make_enrolment(
            settings, counters, clock, judges=authenticator is None, shared=shared
        )
        self.hub = make_hub(
            settings,
            database,
            self.life,
            loop=loop,
            executor=self._hub_thread,
            clock=clock,
            log=self.log,
            incidents=incidents,
        )
        spread = random.Random()  # noqa: S311 (pings, upstreams; ids come from `secrets`)
        self.upkeep = _make_upkeep(settings, clock, self.log, spread)
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
            make_session_id=session_ids().__next__,
            enrolment=self.enrolment,
            revocations=self.enrolment.ledger,
            hub=self.hub,
            heap=heap,
            incidents=incidents,
        )

    def _build_around(self, estate: Estate | None, *, has_admin: bool) -> None:
        """Build what is before, behind and beside the node: who lets in, is told, asks, follows."""
        self.succession = Succession(self, estate)
        self.enrolment.ledger.on_void = self.succession.revoke
        if self.upkeep is not None:
            self.relay = stand_before(self.node, self.upkeep.pool, secrets.token_bytes)
            self.upkeep.on_draining = self.relay.empty
        self.telling = Telling(self.node, self.succession.estate.run)
        self.sampler = make_sampler(self.node)
        post = self.succession.estate.post
        self.gateway = Gateway(self.node, None if post is None else post.share())
        self.alerting = Alerting(
            self.node,
            self.sampler,
            lambda: self.gateway.certificate_expires_at,
            None if self.upkeep is None else self.upkeep.pool,
        )
        self.admin = self._make_admin() if has_admin else None

    def _make_admin(self) -> AdminServer:
        """Return what operators ask; it does not listen yet."""
        return make_admin(
            self.node,
            self.sampler,
            self.alerting,
            self.upkeep,
            lambda: self.gateway.certificate_expires_at,
            former=Former(self.succession.ask_elder),
            post=self.succession.estate.post,
        )

    def _make_enrolment(
        self,
        settings: Settings,
        counters: Counters,
        clock: Clock,
        *,
        judges: bool,
        shared: Path | None,
    ) -> Enrolment:
        """Return the enrolment; a judge from outside knows no tokens of ours.

        Who is revoked is known to all workers by a directory that is `shared`.
        """
        loop = asyncio.get_running_loop()
        return make_enrolment(
            settings,
            clock=clock,
            log=self.log,
            counters=counters,
            ledger=make_ledger(settings, loop, self._executor, shared),
            issuer=make_issuer(settings, clock=clock, log=self.log) if judges else None,
            executor=self._executor,
            draw=secrets.token_bytes,
        )

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Start in order: devices, then operators. Raises StartError; `stop` then.

        An elder accepts as well until it is told to leave, by `take_over`.
        """
        self.log.start()
        succession = self.succession
        succession.begin()
        await self.enrolment.open()
        await begin_life(self.hub, succession.holder, self.node, succession.meet_elder())
        await self.sampler.start()
        if self.upkeep is not None:
            self.upkeep.start(self.relay.tls)
        await self.gateway.start(sockets or succession.estate.devices)
        succession.on_listening()
        aftermath.tell(succession.estate.post, self.node)
        self.telling.start()  # in the same turn: no device can have come yet
        if self.admin is not None:
            await self.admin.start(succession.estate.admin)
        await succession.take_over()
        await self.alerting.start()  # an elder looks after them until then
        self._has_started = True

    async def stop(self) -> None:
        """Stop in order: devices leave, then who asks and is told, the memory, and the log.

        One that fails keeps nothing behind it from its turn, least of all the memory.
        """
        for step in (
            self.gateway.stop,
            self.succession.end,
            self._stop_asking,
            self._stop_telling,
            self.enrolment.aclose,
            self.sampler.stop,
            lambda: end_life(self.hub, self.node),
        ):
            try:
                await step()
            except Exception as error:  # noqa: BLE001 (a fence, of each step)
                self.log.error("stop_step_failed", error=error)
        self._hub_thread.shutdown(wait=False)
        self.succession.let_go()
        if self._has_started:
            sessions = self.node.counters.sessions_opened
            self.log.info("stopped", sessions=sessions, **asdict(self.node.drain.totals))
        if self.succession.upgrades is not None:
            self.succession.upgrades.close()
        # Not on the loop: the log may wait for its reader.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self.log.stop, LAST_LINES_S)
        self._executor.shutdown(wait=True)
        # A handler that blocks has been given its time, and must not keep what follows.
        self._handler_threads.shutdown(wait=False, cancel_futures=True)

    async def _stop_asking(self) -> None:
        if self.upkeep is not None:
            await self.upkeep.stop()
        if self.admin is not None:
            await self.node.drain.last_look.wait(self.node.clock.now())
            await self.admin.stop()

    async def _stop_telling(self) -> None:
        both = self.telling.stop(), self.alerting.stop()
        for failed in await asyncio.gather(*both, return_exceptions=True):
            if failed is not None:
                raise failed


def _make_upkeep(
    settings: Settings, clock: Clock, log: Log, spread: random.Random
) -> Upkeep | None:
    if not settings.upstream.urls:
        return None
    return Upkeep(settings.upstream, clock=clock, log=log, random=spread.random)


def _make_log(settings: Settings, stream: TextIO | None, clock: Clock, post: Post | None) -> Log:
    return Log(
        stream,
        clock,
        worker=None if post is None else post.slot,
        level=settings.log.level,
        style=settings.log.format,
        fold_per_s=settings.log.fold_per_s,
        buffer_lines=settings.log.buffer_lines,
        buffer_bytes=settings.log.buffer_bytes,
        secrets=(
            *filter(None, (settings.auth.token, settings.admin.token, settings.webhook.secret)),
            *filter(
                None,
                (settings.alerts.secret, settings.relay.token, settings.enrolment.callback_token),
            ),
            *(key.partition(":")[2] for key in settings.auth.keys),
        ),
    )
