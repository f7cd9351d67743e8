"""Accepts devices' sockets: in batches, bounded, and with descriptors in reserve."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from typing import TYPE_CHECKING

from keepline.gateway.governor.crowd import Step
from keepline.gateway.refusals import no_room
from keepline.gateway.share import STEP_BACK_S, is_ahead
from keepline.gateway.sockets import peer_address
from keepline.monitor.alerts.incidents import Fact, Incident
from keepline.reasons import CloseReason
from keepline.wire.handshake import refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from keepline.gateway.node import Node
    from keepline.gateway.share import Share

    Arrive = Callable[[socket.socket, str], None]

BATCH = 16
"""How many are accepted of one socket before everything else gets its turn.

More at once would make no storm shorter that matters, and scatter in memory what stays of each.
"""

MOST_SEEN = 32
"""How many are looked at for a batch: of a flood of connects most have hung up by then."""

RESERVE = 64
"""Descriptors that no device gets: operators, the log and the handlers need some, too."""

SPARE = 4
"""Held open for the moment in which the system has none left: to accept somebody and say so."""

SHORT_FOR_S = 60.0
"""For so long after the last who was turned away there are too few descriptors."""

FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 1.0

_UNREAD_BYTES = 16_384
_LOOK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)  # as two flags it costs as much as the call
# No descriptor (of this process, of the system) or no memory for one: it takes time to pass.
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Accepts on the given sockets, which stay in its hands until it is closed.

    A loop's own server takes one connection a turn; with slow turns a crowd would wait for ever.
    """

    def __init__(
        self,
        node: Node,
        sockets: Sequence[socket.socket],
        arrive: Arrive,
        share: Share | None = None,
    ) -> None:
        self._node = node
        self.sockets = sockets
        self._arrive = arrive
        self._share = share
        self._spare: list[int] = []
        self._first_reserved = _first_reserved()
        self._refusal = refusal(no_room("out of file descriptors"))
        self._short = False
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._pause_s = FIRST_PAUSE_S
        self._paused = False
        self._held_back = False

    def start(self) -> None:
        """Accept from now on."""
        self._keep_spares()
        self._listen()

    def pause(self, wanted: bool) -> None:  # noqa: FBT001 (as a drain tells it)
        """Leave who comes waiting in the kernel, or accept again; not while it is short."""
        self._paused = wanted
        self.tell()
        self._listen()

    def tell(self) -> None:
        """Tell those who accept from the same sockets how many are here."""
        if self._share is not None:
            most = self._node.settings.server.max_connections
            takes = bool(self.sockets) and not self._paused and self._count < most
            self._share.tell(self._count, takes=takes)

    def close(self) -> None:
        """Accept no more; who waits in the kernel is reset, unless another process has the sockets.

        Idempotent.
        """
        for sock in self.sockets:
            self._node.loop.remove_reader(sock)
            sock.close()
        for pause in self._pauses.values():
            pause.cancel()
        while self._spare:
            os.close(self._spare.pop())
        self.sockets = ()
        self.tell()

    @property
    def _count(self) -> int:
        return len(self._node.registry) + len(self._node.arrivals.admissions)

    def _listen(self) -> None:
        """Have the loop tell of who comes, or not, as things are."""
        loop = self._node.loop
        for sock in self.sockets:
            if self._paused or self._held_back or sock in self._pauses:
                loop.remove_reader(sock)
            else:
                loop.add_reader(sock, self._accept, sock)

    # -- accepting -------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        """Accept who waits, as far as one batch, to which who has gone already does not count."""
        crowd = self._node.governor.crowd
        if crowd.is_behind:
            self._held_back = True
            crowd.hold_back(self._go_on)
            self._listen()
            return
        if self._share is not None and is_ahead(self._count, self._share):
            self._step_back(listening)
            return
        self._take(listening, BATCH)
        self.tell()

    def _step_back(self, listening: socket.socket) -> None:
        """Have those go first who have fewer; take one if they do not."""

        def take_one() -> None:
            del self._pauses[listening]
            if not self._paused:
                self._take(listening, 1)
            self.tell()
            self._listen()

        self._pauses[listening] = self._node.loop.call_later(STEP_BACK_S, take_one)
        self._listen()

    def _take(self, listening: socket.socket, most: int) -> None:
        crowd = self._node.governor.crowd
        accepted = 0
        for seen in range(MOST_SEEN):
            if accepted == most or not crowd.left(Step.ACCEPT):
                return
            try:
                sock, name = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _SHORT:
                    self._accept_the_last(listening)
                    return
                continue  # this one has left already, or the network has a fault (accept(2))
            if seen and _has_gone(sock):
                self._node.counters.connections_accepted += 1
                sock.close()
                continue
            accepted += 1
            crowd.use(Step.ACCEPT)
            if sock.fileno() < self._first_reserved:
                self._short = False
                self._pause_s = FIRST_PAUSE_S
                self._arrive(sock, peer_address(name))
            else:
                self._turn_away(sock)

    def _accept_the_last(self, listening: socket.socket) -> None:
        """Answer a few by means of the spare descriptors, then leave the others waiting a while.

        Without a pause the loop would call us at once again, and again, while nothing has changed.
        """
        for _ in range(len(self._spare)):
            os.close(self._spare.pop())
            try:
                sock, _name = listening.accept()
            except OSError:
                break
            self._turn_away(sock)
        self._keep_spares()
        self._note_shortage()
        again = self._node.loop.call_later(self._pause_s, self._resume, listening)
        self._pauses[listening] = again
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        self._listen()

    def _resume(self, listening: socket.socket) -> None:
        del self._pauses[listening]
        self._keep_spares()
        self._listen()

    def _go_on(self) -> None:
        self._held_back = False
        self._listen()

    # -- out of descriptors ----------------------------------------------------------------

    def _turn_away(self, sock: socket.socket) -> None:
        """Answer 503 on the spot and hang up: there is no descriptor to wait for anything with.

        Behind TLS or a proxy nobody can read it, but the end of the connection they understand.
        """
        self._note_shortage()
        self._node.counters.connections_accepted += 1
        self._node.counters.disconnects[CloseReason.FULL] += 1
        with sock:
            with contextlib.suppress(OSError):
                # What is unread when a socket closes makes a reset, which can outrun the answer.
                sock.recv(_UNREAD_BYTES, socket.MSG_DONTWAIT)
            with contextlib.suppress(OSError):
                sock.send(self._refusal, socket.MSG_DONTWAIT)

    def _note_shortage(self) -> None:
        until = self._node.ticker.now + SHORT_FOR_S
        fact = Fact("devices are turned away: out of file descriptors")
        self._node.incidents.raised(Incident.OUT_OF_DESCRIPTORS, fact, until=until)
        if not self._short:
            self._short = True
            self._node.log.error("out_of_descriptors", connections=len(self._node.registry))

    def _keep_spares(self) -> None:
        with contextlib.suppress(OSError):
            while len(self._spare) < SPARE:
                self._spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


def _has_gone(sock: socket.socket) -> bool:
    """Whether its peer has hung up without a word: a door for it would be a waste."""
    try:
        return not sock.recv(1, _LOOK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _first_reserved() -> int:
    """Return the lowest descriptor that no device gets.

    The system hands out the lowest that is free, so one that high says that the others are taken.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return soft - min(RESERVE, soft // 4)
