"""What the relayed sessions of one node share: upstreams, their hello, the connects under way."""

from __future__ import annotations

import asyncio
import ssl
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from keepline.errors import RefusedError, StartError
from keepline.reasons import CloseReason
from keepline.relay.ahead import Reached
from keepline.relay.dialing import UnreachableError, dial
from keepline.relay.introduction import Introduction, Place
from keepline.relay.link import Link
from keepline.relay.session import RelaySession
from keepline.relay.words import read_hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepline.gateway.connection import Connection
    from keepline.gateway.identity import Identity
    from keepline.gateway.node import Node
    from keepline.gateway.opening import Opening
    from keepline.gateway.session import Session
    from keepline.hub.port import Claim
    from keepline.relay.upstreams.pool import Pool
    from keepline.relay.upstreams.upstream import Upstream
    from keepline.relay.wait import Wait
    from keepline.wire.handshake import Request
    from keepline.wire.messages import Hello, ServerHello

KNOWN_HELLOS: Final = 256
_KEY_BYTES: Final = 4
_KEYS_AT_ONCE: Final = 1_024
TRIES_AHEAD: Final = 2
RETRY_AFTER_S: Final = 10  # as for every refusal that time may heal
REFUSALS: Final = {
    400: CloseReason.BAD_REQUEST,
    401: CloseReason.UNAUTHORIZED,
    403: CloseReason.FORBIDDEN,
    414: CloseReason.HEAD_TOO_LARGE,
    431: CloseReason.HEAD_TOO_LARGE,
}
"""What says that an upstream does not want this device; all else is its own failure.

Whatever a device can bring about by what it sends is among them: else it could have every upstream
ejected.
"""
TOO_MANY: Final = 429
"""Of this device, or of all: another upstream is tried, and it counts against none."""
LEAVE_AT_ONCE: Final = 48
"""Sessions that are looked at, and may leave, before everything else has its turn."""
TURN_S: Final = 0.1  # between two looks for an upstream that has room for a connect


class Relay:
    """Passes the devices of one node on to the upstreams of a pool."""

    def __init__(self, node: Node, pool: Pool, *, draw: Callable[[int], bytes]) -> None:
        """`draw` returns unpredictable bytes. Raises StartError."""
        self._node = node
        self._draw = draw
        self._hello: dict[str, object] | None = None  # as an upstream said it last
        # Devices' hellos that were answered: one string for all that say the same.
        self._answered: dict[str, str] = {}
        self._keys = mask_keys(draw)
        self._places = {each: Place.of(each.url) for each in pool.upstreams}
        self.tls = _trusted(node) if any(p.is_secure for p in self._places.values()) else None
        self.dials: dict[asyncio.Task[None], Upstream | None] = {}
        """Connects under way; with the upstream as long as nothing has run that would give it back.
        """
        self.pool = pool
        self.settings = node.settings.relay

    # -- for the node ----------------------------------------------------------------------

    def make_session(
        self,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        claim: Claim,
        opening: Opening,
    ) -> RelaySession:
        """Return the session of a device whose hello was read and is not answered yet."""
        introduction = Introduction.of(
            opening.request, identity, claim.session_id, self.settings.token
        )
        said = self._answered.get(opening.hello, opening.hello)
        session = RelaySession(
            self, connection, identity, hello, claim=claim, introduction=introduction, said=said
        )
        if isinstance(identity, Reached):
            session.ahead = identity.link
        return session

    # -- hellos ----------------------------------------------------------------------------

    @property
    def answers_at_once(self) -> bool:
        """Whether a device need not wait for an upstream: it is lazy, and their hello is known."""
        return self.settings.open == "speech" and self._hello is not None

    def read_hello(self, text: str) -> ServerHello | None:
        """Return an upstream's hello, None for another message; the latest is remembered."""
        hello = read_hello(text)
        if hello is not None:  # an upstream may have been replaced by one that says it otherwise
            self._hello = msgspec.json.decode(text, type=dict[str, object])
        return hello

    def note_answered(self, said: str) -> None:
        """An upstream answered this hello of a device."""
        if len(self._answered) < KNOWN_HELLOS:
            self._answered.setdefault(said, said)

    def is_usual(self, said: str) -> bool:
        """Whether upstreams answer this hello."""
        return said in self._answered

    def hello_for(self, session_id: str) -> str:
        """Return a hello in the words of an upstream, or where none is known, in ours."""
        if self._hello is None:
            audio = {"format": "opus", "sample_rate": 24_000, "channels": 1, "frame_duration": 60}
            hello: dict[str, object] = {"transport": "websocket", "audio_params": audio}
        else:
            hello = self._hello
        return msgspec.json.encode({"type": "hello", **hello, "session_id": session_id}).decode()

    # -- connecting ------------------------------------------------------------------------

    def dial(self, wait: Wait) -> None:
        """Begin to connect a device to an upstream, or have it try again in a moment."""
        session, node = wait.session, self._node
        avoid = () if wait.avoid is None else (wait.avoid,)
        now = node.clock.now()
        upstream = self.pool.choose(session.device_id, now, node.random.random, avoid)
        if upstream is None:
            wait.avoid = None
            wait.try_later()
            return
        wait.task = task = node.loop.create_task(self._connect(wait, upstream))
        self.dials[task] = upstream
        task.add_done_callback(self._on_dialled)

    def _on_dialled(self, task: asyncio.Task[None]) -> None:
        """A connect has ended, and never began if its device left in the turn in which it came."""
        upstream = self.dials.pop(task)
        if upstream is not None:
            upstream.abandoned()

    async def _connect(self, wait: Wait, upstream: Upstream) -> None:
        session = wait.session
        assert wait.task is not None, "a connect runs in the task of its wait"
        self.dials[wait.task] = None
        try:
            link = await self._reach(session.introduction, upstream, self.settings.hello_timeout_s)
        except RefusedError as error:
            session.on_refused(error.detail)
        except UnreachableError:
            wait.avoid = upstream
            wait.try_later(has_failed=True)
        except Exception as error:  # noqa: BLE001 (a fault of ours: it costs one try, not all)
            self._node.isolation.faults.of_ours(error, "relay_failed", session.device_id)
            wait.try_later(has_failed=True)
        else:
            session.take(link)

    async def reach_ahead(self, request: Request, identity: Identity) -> Link:
        """Connect a device that is not let in yet; it has to come for the connection soon.

        Waits while all have as many connects under way as they may; the admission's deadline
        bounds it. Raises RefusedError: with the upstream's status, or 503 when none can be reached.
        """
        node = self._node
        introduction = Introduction.of(request, identity, "", self.settings.token)
        bound_s = node.profiles.of(request, identity).hello_timeout_s
        failed: list[Upstream] = []
        while len(failed) < TRIES_AHEAD:
            now = node.clock.now()
            upstream = self.pool.choose(identity.device_id, now, node.random.random, failed)
            if upstream is None and not failed and self.pool.serving:
                await asyncio.sleep(TURN_S * node.random.uniform(0.5, 1.5))  # a storm: wait in turn
                continue
            if upstream is None:
                break
            try:
                link = await self._reach(introduction, upstream, bound_s)
            except UnreachableError:
                failed.append(upstream)
            else:
                link.pause_reading()
                return link
        raise RefusedError(
            "no upstream can be reached",
            CloseReason.UPSTREAM_UNAVAILABLE,
            retry_after_s=RETRY_AFTER_S,
        )

    async def _reach(self, introduction: Introduction, upstream: Upstream, bound_s: float) -> Link:
        """Return an open connection, and tell the upstream what became of it.

        Raises RefusedError when the upstream does not want the device, UnreachableError.
        """
        node = self._node
        place = self._places[upstream]
        began_at = node.clock.now()
        try:
            answered = await dial(
                place,
                introduction,
                loop=node.loop,
                draw=self._draw,
                limits=node.limits,
                tls=self.tls if place.is_secure else None,
                timeout_s=self.settings.connect_timeout_s,
            )
        except UnreachableError as error:
            self._note_failure(upstream, str(error))
            raise
        except BaseException:  # cancelled: the device has left
            upstream.abandoned()
            raise
        now = node.clock.now()
        if not answered.is_open:
            answered.transport.close()
            status = answered.response.status
            if status in REFUSALS:
                upstream.abandoned()
                raise RefusedError(f"the upstream answered {status}", REFUSALS[status])
            if status == TOO_MANY:
                upstream.abandoned()
            else:
                self._note_failure(upstream, f"HTTP {status}")
            raise UnreachableError(f"HTTP {status}")
        upstream.opened(now)
        upstream.latency(now - began_at)
        return Link(node, upstream, answered, self._keys, bound_s)

    def _note_failure(self, upstream: Upstream, why: str) -> None:
        upstream.failed(self._node.clock.now(), why)
        self._node.log.warning("upstream_failed", upstream=upstream.name, why=why)

    # -- leaving one -----------------------------------------------------------------------

    def empty(self, _upstream: Upstream) -> None:
        """Have sessions leave upstreams that drain: now, so many in a turn, or after their talk."""
        self._leave_draining(iter(self._node.registry))

    def _leave_draining(self, sessions: Iterator[Session]) -> None:
        some = list(islice(sessions, LEAVE_AT_ONCE))
        for session in some:
            if isinstance(session, RelaySession):
                session.leave_draining()
        if some:
            self._node.loop.call_soon(self._leave_draining, sessions)

    # -- losing one ------------------------------------------------------------------------

    def note_lost(self, session: RelaySession, link: Link, broken: str, *, cut: bool) -> None:
        """Say that a device has lost its upstream and stays."""
        how = broken or f"code {link.code} {link.words}".rstrip()
        self._node.log.warning(
            "upstream_lost",
            upstream=link.upstream.name,
            device_id=session.device_id,
            why=how,
            cut=cut,
        )


def mask_keys(draw: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield mask keys for ever, each four unpredictable bytes (RFC 6455 §5.3)."""
    while True:
        drawn = draw(_KEY_BYTES * _KEYS_AT_ONCE)
        for at in range(0, len(drawn), _KEY_BYTES):
            yield drawn[at : at + _KEY_BYTES]


def _trusted(node: Node) -> ssl.SSLContext:
    ca = node.settings.relay.ca
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"cannot read certificates from {ca}: {error}", "give relay.ca a file in PEM"
        ) from error
