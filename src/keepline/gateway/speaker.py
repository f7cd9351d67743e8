"""Audio down to one device: a few packets ahead of real time, never in a flood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import HandlerError
from keepline.gateway.backlog import Backlog, Put
from keepline.gateway.pacing import Pace, packet_s
from keepline.gateway.speech import Turn
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.sending import Sending
    from keepline.gateway.speech import Speech

MOST_WAITING = 64
"""Speeches that may wait for those before them."""

SETTLED_S = 1.0
"""A device told `tts stop` goes back to listening by itself and says so. A `listen start` that
crosses the next `tts start` on its way is that, and no interruption."""


class Surplus(Backlog[bytes | str]):
    """Packets that are early, and what is to be said around them."""

    __slots__ = ()


class Speaker:
    """Paces one session's audio; made with the first packet, given back when the device is idle.

    A turn is a task, and exists while something is spoken. Packets beyond the pace that come by
    `send_audio` wait in a surplus, which exists with its timer while there is one; the oldest are
    dropped when `outbox.audio_frames` wait.
    """

    __slots__ = ("_session", "_surplus", "_timer", "pace", "turn")

    def __init__(self, session: Sending) -> None:
        self._session = session
        self._surplus: Surplus | None = None
        self._timer: asyncio.TimerHandle | None = None
        ahead = session.connection.node.settings.session.packets_ahead
        self.pace = Pace(packet_s(session.hello.audio_params), ahead)
        self.turn: Turn | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is spoken and nothing waits."""
        return self.turn is None and self._surplus is None

    def heard_for_s(self) -> float:
        """Return how long what was sent can still be heard, less than 0 for how long it was."""
        return self.pace.rest_s(self._now())

    def rest_later(self) -> None:
        """It is heard still: have it given back after that; a surplus and a turn see to it."""
        if self.is_quiet and self._timer is None:
            loop = self._session.connection.node.loop
            self._timer = loop.call_later(self.heard_for_s(), self._rest)

    def _rest(self) -> None:
        self._timer = None
        self._session.rest()

    def drop_audio(self) -> int:
        """Give up the packets that wait; return how many."""
        return 0 if self._surplus is None else self._surplus.drop_audio()

    # -- packets at the pace ---------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        """Send a packet now, or as soon as the pace allows it."""
        if self._surplus is None:
            session = self._session
            wait_s = self.pace.take(session.connection.node.clock.now())
            if wait_s <= 0:
                session.transmit(packet)
                return
            self._begin_surplus(wait_s)
        self._keep(packet, audio=True)

    def keep_behind(self, text: str) -> bool:
        """Have `text` wait for the packets before it; False when none wait."""
        if self._surplus is None:
            return False
        self._keep(text, audio=False)
        return True

    def _begin_surplus(self, wait_s: float) -> None:
        node = self._session.connection.node
        limits = node.settings.outbox
        self._surplus = Surplus(
            audio_limit=limits.audio_frames,
            control_limit=limits.control_messages,
            bytes_limit=limits.bytes,
        )
        node.governor.backlogs.add(self._surplus)
        if self._timer is not None:  # it was to be given back
            self._timer.cancel()
        self._timer = node.loop.call_later(wait_s, self._release)

    def _keep(self, item: bytes | str, *, audio: bool) -> None:
        assert self._surplus is not None
        put = self._surplus.put(item, len(item), audio=audio)
        if put is Put.DROPPED_AUDIO:
            node = self._session.connection.node
            node.counters.outbox_audio_dropped += 1
            node.isolation.budgets.send(self._session)
        elif put is Put.OVERFLOW:
            self._session.close(CloseReason.OUTBOX_OVERFLOW)

    def _release(self) -> None:
        """Send what is due, and come back for the rest."""
        now = self._now()
        while (surplus := self._surplus) is not None:
            if not surplus:
                self._surplus = self._timer = None
                self._session.rest()
                return
            wait_s = self.pace.wait_s(now)
            if wait_s > 0:
                loop = self._session.connection.node.loop
                self._timer = loop.call_later(wait_s, self._release)
                return
            item = surplus.take()
            if isinstance(item, bytes):
                self.pace.sent(now)
                self._session.transmit(item)
            elif item is not None:
                self._session.tell_text(item)

    def _drop_surplus(self) -> None:
        """Forget the packets that wait; what was to be said around them is said now."""
        surplus, self._surplus = self._surplus, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while surplus is not None and (item := surplus.take()) is not None:
            if isinstance(item, str):
                self._session.tell_text(item)

    # -- speeches --------------------------------------------------------------------------

    def say(self, speech: Speech) -> None:
        """Say `speech` after what is being said. Raises HandlerError when too many wait."""
        if self.turn is None:
            self.turn = Turn(self._session, self)
        if len(self.turn.waiting) >= MOST_WAITING:
            raise HandlerError(f"{MOST_WAITING} speeches wait already: await some of them")
        self.turn.say(speech)

    def interrupt(self) -> None:
        """Say no more, at once."""
        if self.turn is not None:
            self.turn.cut()
        self._drop_surplus()

    def listening_began(self) -> bool:
        """Return whether that was an interruption; then nothing more is said."""
        if self.turn is not None:
            interrupts = self._now() - self.turn.began_at >= SETTLED_S
        else:
            interrupts = self._surplus is not None
        if interrupts:
            self.interrupt()
        return interrupts

    def _now(self) -> float:
        return self._session.connection.node.clock.now()
