"""What the connections of one node share, and the moments at which they come and go."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from msgspec import UNSET

from keepline.errors import HandlerError
from keepline.gateway.arrivals import Arrivals
from keepline.gateway.auth import NobodyRevoked
from keepline.gateway.auth.expiry import Expiries
from keepline.gateway.auth.gate import Gate
from keepline.gateway.connection import Connection
from keepline.gateway.departures import Departures
from keepline.gateway.drain.drain import Drain
from keepline.gateway.endings import Refusal, Refusals, ending_of
from keepline.gateway.fence import Fence
from keepline.gateway.governor.governor import Governor
from keepline.gateway.greeting import HelloCache
from keepline.gateway.isolation.isolation import Isolation
from keepline.gateway.memory import Memory
from keepline.gateway.profiles import Profiles
from keepline.gateway.registry import Registry
from keepline.gateway.resumption import Parting, begin, found_by, hand_over
from keepline.gateway.seldom import Seldom
from keepline.gateway.session import Session
from keepline.gateway.threads import ThreadedSession, thread_fence
from keepline.gateway.ticker import Due, Ticker
from keepline.gateway.tuning.knobs import Knobs
from keepline.gateway.tuning.tuning import Tuning
from keepline.gateway.turns import Turns
from keepline.gateway.upkeep import Upkeep
from keepline.lifecycle.breaker import WINDOW_S, SuspicionBreaker, longest_doubt_s
from keepline.lifecycle.faults import Source, strategy_of
from keepline.lifecycle.heartbeat import Judge
from keepline.lifecycle.states import State
from keepline.lifecycle.wheel import TimingWheel
from keepline.monitor.alerts.incidents import Fact, Incident, Incidents
from keepline.reasons import CloseReason
from keepline.wire.messages import AudioParams, ServerHello

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from random import Random

    from keepline.clock import Clock
    from keepline.gateway.auth import Authenticator, Revocations
    from keepline.gateway.enrolment.endpoint import Enrolment
    from keepline.gateway.handler import AnyHandler
    from keepline.gateway.identity import Identity
    from keepline.gateway.memory import Record
    from keepline.gateway.opening import Behind, Opening
    from keepline.gateway.presence import Presence
    from keepline.hub.port import Claim, Hub
    from keepline.log import Log
    from keepline.monitor.heap import Heap
    from keepline.monitor.metrics import Counters
    from keepline.settings import Settings
    from keepline.wire.messages import Hello

SPOKEN_HZ = 24_000


class Node:
    """One gateway process as its connections see it.

    Everything outside is handed in: the loop, the clock, the random source, the executor.
    """

    __slots__ = (
        "arrivals",
        "behind",
        "breaker",
        "call_numbers",
        "clock",
        "counters",
        "departures",
        "drain",
        "draining",
        "enrolment",
        "executor",
        "expiries",
        "fence",
        "gate",
        "governor",
        "heap",
        "hello_limits",
        "hellos",
        "hub",
        "idle_after_s",
        "incidents",
        "isolation",
        "judge",
        "knobs",
        "limits",
        "log",
        "loop",
        "loop_thread",
        "make_handler",
        "make_session_id",
        "memory",
        "port",
        "presence",
        "profiles",
        "random",
        "refusals",
        "registry",
        "seldom",
        "settings",
        "streaming_silence_s",
        "thread_fence",
        "ticker",
        "tuning",
        "turns",
        "upkeep",
        "wheel",
    )

    def __init__(
        self,
        settings: Settings,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        random: Random,
        executor: Executor | None,
        handler_threads: Executor | None = None,
        log: Log,
        counters: Counters,
        authenticator: Authenticator,
        make_handler: Callable[[], AnyHandler],
        make_session_id: Callable[[], str],
        enrolment: Enrolment | None = None,
        hub: Hub,
        heap: Heap | None = None,
        revocations: Revocations | None = None,
        incidents: Incidents | None = None,
    ) -> None:
        self.settings = settings
        self.limits = settings.wire
        self.hello_limits = settings.wire.before_hello()
        self.idle_after_s = settings.session.idle_after_s
        self.streaming_silence_s = settings.heartbeat.streaming_silence_s
        self.loop = loop
        self.loop_thread = threading.get_ident()
        self.clock = clock
        self.random = random
        self.executor = executor
        self.log = log
        self.counters = counters
        self.make_handler = make_handler
        self.make_session_id = make_session_id
        self.profiles = Profiles(settings.profiles)
        self.registry = Registry()
        self.seldom = Seldom()
        self.expiries = Expiries(self.registry, grace_s=settings.auth.expiry_grace_s)
        self.heap = heap
        self.hellos = HelloCache()
        self.wheel: TimingWheel[Due] = TimingWheel(clock.now())
        self.judge = Judge(settings.heartbeat)
        verdict_s = settings.tuning.verdict_s
        self.tuning = None if verdict_s is None else Tuning(self, verdict_s)
        self.breaker = SuspicionBreaker(clock.now(), longest_doubt_s(settings.heartbeat))
        self.ticker = self._made_ticker()
        self.gate = Gate(
            authenticator, settings.auth, revocations or NobodyRevoked(), lambda: self.ticker.now
        )
        self.port = settings.server.port
        self.draining = False
        self.call_numbers = count()  # of devices' tools, and of what is to be acknowledged
        self.refusals = Refusals(settings.history)
        self.behind: Behind | None = None  # in place of handlers
        self.presence: Presence | None = None  # where somebody wants to be told
        self.enrolment = enrolment
        self.arrivals = Arrivals(self)
        self.hub = hub
        self.incidents = Incidents() if incidents is None else incidents
        self.isolation = Isolation(self)
        self.fence = Fence(self.isolation.faults)
        self.thread_fence = thread_fence(self.isolation.faults, handler_threads, loop)
        self.memory = Memory(hub, settings.hub, log, self.registry)
        self.departures = Departures(self)
        self.governor = Governor(self)
        self.drain, self.turns = Drain(self), Turns(self)
        self.knobs = Knobs(self)
        self.upkeep = Upkeep(self)

    def _made_ticker(self) -> Ticker:
        return Ticker(
            self.wheel,
            self.clock,
            self.counters,
            patience_s=self.settings.heartbeat.probe_min_s,
            on_stall=self._on_stall,
            on_fault=self._on_fault,
        )

    @property
    def cleanups(self) -> set[asyncio.Task[None]]:
        """Cleanups that have something to wait for."""
        return self.departures.tasks

    # -- coming ----------------------------------------------------------------------------

    def open_session(
        self,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        claim: Claim,
        opening: Opening | None = None,
    ) -> Session:
        """Begin the session that has claimed the device, and answer its hello.

        The newest connection wins; an older one is told `replaced`. Raises ConnectionResetError
        when the device has left meanwhile. Whatever it raises, the claim is not left to nobody.
        """
        try:
            self._check_still_wanted(connection, identity)
            session = self._make_session(connection, identity, hello, claim, opening)
            self.departures.hasten(identity.device_id)
        except BaseException:
            self.memory.give_back(claim)
            raise
        record = self.memory.recollect(claim)
        older = self.registry.claim(session)
        try:
            self._begin(session, identity, claim, record, older)
        except BaseException as error:
            self._end_half_open(session, record, older, error)
            raise
        return session

    def _begin(
        self,
        session: Session,
        identity: Identity,
        claim: Claim,
        record: Record | None,
        older: Session | None,
    ) -> None:
        connection = session.connection
        session.outcome = found_by(claim, record, older)
        if older is not None:
            self.counters.takeovers += 1
            self.arrivals.flapping.on_takeover(session, older)
        connection.greet(session)
        session.answer_hello(_hello_to(session))
        self.counters.sessions_opened += 1
        self.counters.outcomes[session.outcome] += 1
        self.log.info(
            "device_connected",
            device_id=identity.device_id,
            session_id=claim.session_id,
            claim=claim.number,
            outcome=session.outcome,
            takeover=older is not None,
            profile=session.profile.name,
            address=connection.address,
        )
        self.memory.came(session)
        if self.presence is not None:
            self.presence.online(session, takeover=older is not None)
        # The hello is answered by now, whatever the older handler does.
        left = session.parting = self._taken_over(older, record)
        for text in left.undelivered:
            session.tell_text(text)
        if identity.expires_at is not None and self.settings.auth.on_expiry == "close":
            self.expiries.add(session, identity.expires_at)
        begin(session, left.snapshot, None if record is None else record.snapshot)
        session.parting = None

    def _taken_over(self, older: Session | None, record: Record | None) -> Parting:
        """End the older session, and return what it leaves; without one, what was kept."""
        if older is None:
            return Parting.of(record)
        left = hand_over(older, record)
        self.isolation.faults.close(older, CloseReason.REPLACED, "replaced_not_closed")
        return left

    def _end_half_open(
        self, session: Session, record: Record | None, older: Session | None, error: BaseException
    ) -> None:
        """It holds the device and its handler knows nothing of it: it leaves what it has found."""
        session.connection.receiver = session  # whose cleanup gives the device back
        reason = strategy_of(error).reason(error, Source.US)
        self.isolation.faults.close(session, reason, "half_open_not_closed")
        if session.parting is None:
            session.parting = Parting.of(record)
            session.parting = self._taken_over(older, record)

    def _check_still_wanted(self, connection: Connection, identity: Identity) -> None:
        if connection.lifecycle.state is not State.AUTHENTICATING:
            raise ConnectionResetError("left before its session was open")
        if self.gate.is_revoked(identity):
            connection.close(CloseReason.REVOKED)
            raise ConnectionResetError("revoked before its session was open")

    def _make_session(
        self,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        claim: Claim,
        opening: Opening | None,
    ) -> Session:
        if self.behind is not None and opening is not None:
            return self.behind.make_session(connection, identity, hello, claim, opening)
        handler = self._made_handler()
        make_session = ThreadedSession if handler.threaded else Session
        session = make_session(connection, identity, hello, handler, claim=claim)
        self.isolation.suspensions.begin(session)
        return session

    def _made_handler(self) -> AnyHandler:
        try:
            return self.make_handler()
        except (Exception, SystemExit, CancelledError) as error:
            # A ConnectionError or TimeoutError of its own must not pass for the device's.
            raise HandlerError("the handler could not be made") from error

    # -- going -----------------------------------------------------------------------------

    def revoke(self, device_id: str) -> bool:
        """End the session of a device that is not to be let in any more; True if it had one.

        For who keeps the revocations, once they know of it. Capitals make no other device.
        """
        self.gate.forget(device_id)
        session = self.registry.by_device(device_id)
        if session is not None:
            session.close(CloseReason.REVOKED)
        return session is not None

    def on_ended(self, connection: Connection, reason: CloseReason) -> None:
        """Count an ending, and say who ended it, why, and what the connection was like."""
        self.counters.disconnects[reason] += 1
        if reason is CloseReason.HEARTBEAT_TIMEOUT:
            self.counters.verdicts += 1
            self.counters.silence.observe(self.ticker.now - connection.heartbeat.last_rx)
        ending = ending_of(connection, reason)
        device_id = connection.receiver.device_id
        event = "device_disconnected" if ending.session_id else "device_left_before_hello"
        told = ending.told()
        self.log.info(event, device_id=device_id, **told)
        if isinstance(connection.receiver, Session):
            self.counters.session.observe(ending.age_s)
            self.memory.ended(connection.receiver, ending, told)
            self.governor.newcomers.on_ended(connection, device_id, reason)
        else:
            left = Refusal(ending.at, ending.cause, device_id, ending.address, ending.detail)
            self.refusals.note(left)
        self.arrivals.flapping.on_ended(device_id, ending)
        if self.tuning is not None:
            learns = not self.breaker.tripped
            self.tuning.tuner.on_ended(connection, reason, self.ticker.now, learns=learns)
        if self.presence is not None and ending.session_id:
            self.presence.offline(device_id, ending, self.ticker.now)

    # -- suspicion -------------------------------------------------------------------------

    def on_suspicion(self, now: float) -> None:
        """A device did not answer in time; many at once are an incident of ours."""
        self.counters.suspicions += 1
        if self.breaker.note(now):
            self.counters.mass_suspicions += 1
            self.log.error("mass_suspicion", connections=len(self.registry))
            told = f"more than {self.breaker.limit:.0f} devices fell silent within {WINDOW_S} s"
            fact = Fact(told, self.breaker.suspicions, self.breaker.limit)
            self.incidents.raised(Incident.MASS_SUSPICION, fact)

    def may_reap(self, now: float) -> bool:
        """Return whether a zombie may be closed now, or the breaker holds it back."""
        return self.breaker.may_reap(now, len(self.registry))

    def each_second(self) -> None:
        """Have every part see to what is due."""
        self.upkeep.each_second()

    # -- tasks -----------------------------------------------------------------------------

    def hold(self, owner: set[asyncio.Task[None]], work: Coroutine[object, object, None]) -> None:
        """Run `work` in a task that `owner` holds from before it can run until it is done."""
        task = self.loop.create_task(work)
        owner.add(task)
        task.add_done_callback(owner.discard)

    def _on_stall(self, lost_s: float) -> None:
        self.isolation.on_stall(lost_s)

    def _on_fault(self, item: Due, error: Exception) -> None:
        reason = self.isolation.faults.of_ours(error, "deadline_failed")
        if isinstance(item, Connection):
            with suppress(Exception):  # that may be what failed; its reason stands before it can
                item.close(reason)
        item.transport.abort()


def _hello_to(session: Session) -> ServerHello:
    """Return the answer to a session's hello."""
    heard = session.hello.audio_params or AudioParams()
    return ServerHello(
        session_id=session.session_id,
        version=session.audio_version,
        audio_params=AudioParams(sample_rate=SPOKEN_HZ, frame_duration=heard.frame_duration),
        resume=session.outcome.value if session.hello.has("resume") else UNSET,
    )
