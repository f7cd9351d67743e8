"""A socket between its accept and its upgrade: reads the request, answers it, hands itself on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec

from keepline.errors import PeerError, RefusedError
from keepline.gateway.connection import Connection
from keepline.gateway.gone import GONE
from keepline.gateway.refusals import RETRY_AFTER_S
from keepline.gateway.sockets import end_output
from keepline.lifecycle.machine import Lifecycle, loss
from keepline.lifecycle.states import Effect, Event, State
from keepline.reasons import CloseReason
from keepline.wire.forwarded import forwarded_for, forwarded_secure
from keepline.wire.handshake import RequestReader, refusal, upgrade_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.entrance import Entrance
    from keepline.gateway.node import Node
    from keepline.gateway.receiver import Receiver
    from keepline.lifecycle.profile import Profile
    from keepline.wire.handshake import Request


# The same would succeed later, so the peer is told when.
LATER = frozenset({CloseReason.DRAINING, CloseReason.AUTH_UNAVAILABLE})


class Door(asyncio.Protocol):
    """A socket before its upgrade; then a `Connection` takes over its transport and lifecycle.

    `proxy` is set where the peer is a proxy whose headers are believed, `unanswered` to what an
    ending is called as long as nothing can be answered.
    """

    __slots__ = (
        "_early",
        "_entered",
        "_reader",
        "_request",
        "_way_in",
        "address",
        "connection",
        "judging",
        "lifecycle",
        "node",
        "opened",
        "proxy",
        "secure",
        "transport",
        "turned_away",
        "unanswered",
        "wheel_tick",
    )

    def __init__(self, node: Node, way_in: Callable[[Door], Awaitable[None]]) -> None:
        """`way_in` gives it its transport and its address."""
        self.node = node
        self.address = ""
        self.secure = False
        self.opened = False
        self.proxy: Entrance | None = None
        self.turned_away: RefusedError | None = None
        self.unanswered = CloseReason.TLS_FAILED
        self.lifecycle = Lifecycle(node.ticker.now)
        self.connection: Connection | None = None
        self.judging: asyncio.Task[None] | None = None  # cancelled when the device leaves it
        self.transport: asyncio.Transport = GONE  # until it is opened
        self.wheel_tick = -1
        self._request: asyncio.Future[Request] = node.loop.create_future()
        self._early = b""
        self._entered = False
        self._way_in = way_in

    # -- from the socket and the ticker ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """HTTP begins here, whatever came before it."""
        self.transport = cast("asyncio.Transport", transport)
        self.opened = True
        self._reader = RequestReader(self.node.limits, address=self.address, secure=self.secure)

    def data_received(self, data: bytes) -> None:
        """Read the request; what comes early after it is kept for the frame reader."""
        if self.lifecycle.reason is not None:
            return  # answered: nobody reads what comes now
        if self._request.done():
            self._keep_early(data)
            return
        if self.turned_away is not None:
            self._request.set_exception(self.turned_away)
            return
        try:
            request = self._reader.receive(data)
        except RefusedError as error:
            self._request.set_exception(error)
            return
        if request is not None:
            self._early = self._reader.rest
            del self._reader  # a crowd that waits for its claims need not hold its parsers
            self._request.set_result(request)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer has left, or the answer is out."""
        self._lose(self.node.isolation.faults.of_socket(exc))

    def on_due(self, now: float) -> None:  # noqa: ARG002 (the wheel tells it)
        """The peer did not take its answer in time, or did not even ask."""
        if self.turned_away is not None and not self.opened:
            self.refuse(self.turned_away)
        elif self.turned_away is not None and not self._request.done():
            self._request.set_exception(self.turned_away)
            self._arm_close_bound()
        else:
            self.advance(Event.CLOSE_DUE)

    def _keep_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > self.node.limits.head_bytes:
            self.transport.pause_reading()

    # -- from admit ------------------------------------------------------------------------

    async def open(self) -> None:
        """Go through what comes before HTTP.

        Raises PeerError where nothing can be answered, or ConnectionError when the peer leaves.
        """
        try:
            await self._way_in(self)
        except ConnectionError as error:
            # Without a number it is our own word for a peer that has hung up.
            met = None if error.errno is None else error
            self._lose(self.node.isolation.faults.of_socket(met))
            raise

    def come_from(self, address: str) -> None:
        """It is known where this comes from. Raises RefusedError 429 for too many from there."""
        self.address = address
        self.address = self.node.arrivals.addresses.enter(address, self.node.ticker.now)
        self._entered = True

    async def request(self) -> Request:
        """Return the request. Raises RefusedError, or ConnectionError when the peer leaves."""
        request = await self._request
        if self.proxy is None:
            self.node.arrivals.look_for_a_proxy(request)
            return request
        self.come_from(forwarded_for(request.headers, self.address, self.proxy.is_trusted))
        self.secure |= forwarded_secure(request.headers)
        return msgspec.structs.replace(request, address=self.address, secure=self.secure)

    def upgrade(self, request: Request, receiver: Receiver, profile: Profile) -> Connection:
        """Answer 101 and hand the transport to a `Connection`."""
        if self.lifecycle.reason is not None or self.transport.is_closing():
            raise ConnectionResetError("left before it was answered")
        connection = Connection(self.node, self.transport, self.lifecycle, receiver, profile)
        connection.address = request.address
        self.connection = connection
        high_bytes = self.node.settings.outbox.high_water_bytes
        self.transport.set_write_buffer_limits(high=high_bytes)
        self.transport.set_protocol(connection)
        self.node.arrivals.addresses.upgraded(request.address)
        self.transport.write(upgrade_response(request))
        return connection

    def pass_early_on(self) -> None:
        """Give the frames that came before their 101 to the connection."""
        assert self.connection is not None
        if len(self._early) > self.node.limits.head_bytes:
            self.transport.resume_reading()
        if self._early:
            self.connection.data_received(self._early)
            self._early = b""

    def answer(self, response: bytes) -> None:
        """Send a whole HTTP response and close."""
        self.node.counters.disconnects[CloseReason.ANSWERED] += 1
        if not self.transport.is_closing():
            self.transport.write(response)
        self.advance(Event.CLOSE, CloseReason.ANSWERED)

    def turn_away(self, error: RefusedError) -> None:
        """Refuse without a look at the request, but not before it comes: clients mind that."""
        self.turned_away = error
        self._arm_close_bound()

    def refuse(self, error: RefusedError) -> None:
        """Answer with the status that the error carries, unless it is over already."""
        if self.lifecycle.reason is not None:
            return
        self.node.arrivals.on_refused(error, self._asked(), self.address)
        if self.transport.is_closing():
            self.advance(Event.TRANSPORT_LOST, error.reason)
            return
        self.transport.write(refusal(error))
        self.advance(Event.REFUSED, error.reason)

    def drop(self, error: PeerError) -> None:
        """End without an answer, unless it is over already: there is no HTTP to answer in."""
        if self.lifecycle.reason is not None:
            return
        self.node.arrivals.on_dropped(error, self.address)
        self.advance(Event.TRANSPORT_LOST, error.reason)

    def _lose(self, reason: CloseReason) -> None:
        """TCP is gone; whoever was answered is counted already."""
        if self.lifecycle.reason is None:
            self.node.counters.disconnects[reason] += 1
        self.advance(loss(reason), reason)

    def _asked(self) -> Request | None:
        """Return the request, as far as it has come whole and in order."""
        asked = self._request
        whole = asked.done() and not asked.cancelled() and asked.exception() is None
        return asked.result() if whole else None

    @property
    def is_judged(self) -> bool:
        """Whether its request went to the authenticator, and it was not upgraded yet."""
        return self.connection is None and self.lifecycle.state is State.AUTHENTICATING

    def give_up(self, before: CloseReason, after: CloseReason, detail: str = "") -> None:
        """End with `before` in HTTP or, when already upgraded, with `after` in a Close."""
        if self.connection is not None:
            self.connection.close(after, detail)
        elif not self.opened:
            reason = before if before is CloseReason.DRAINING else self.unanswered
            self.drop(PeerError("it took too long", reason))
        else:
            wait_s = RETRY_AFTER_S if before in LATER else None
            self.refuse(RefusedError(before.cause, before, retry_after_s=wait_s))

    # -- decisions -------------------------------------------------------------------------

    def advance(self, event: Event, reason: CloseReason | None = None) -> None:
        """Put one event to the table and perform what it decides."""
        for effect in self.lifecycle.receive(event, self.node.ticker.now, reason).effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Effect.CLOSE_TRANSPORT:
                end_output(self.transport)  # the peer closes its side, or the bound does
            case Effect.ARM_CLOSE_BOUND:
                self._arm_close_bound()
            case Effect.ABORT_TRANSPORT:
                self.transport.abort()
            case Effect.START_CLEANUP:
                self._clean_up()
            case _:
                raise AssertionError(f"{effect} before the upgrade")

    def _arm_close_bound(self) -> None:
        bound_s = self.node.profiles.default.close_timeout_s
        self.node.wheel.arm(self, self.node.ticker.now + bound_s)

    def _clean_up(self) -> None:
        self.node.wheel.cancel(self)
        if self._entered:
            self.node.arrivals.addresses.leave(self.address, arriving=True)
        if self.judging is not None:
            self.judging.cancel()
        if not self._request.done():
            self._request.set_exception(ConnectionResetError("left before its request was whole"))
        if not self._request.cancelled():
            self._request.exception()  # nobody waits for it when it was refused at once
        self.advance(Event.CLEANED)
