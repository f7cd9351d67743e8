"""PURE: a device's channel as the stock firmware keeps it: how it opens, is heard, and ends.

Time and bytes come in, bytes to send and actions for its socket go out.
"""

from __future__ import annotations

from base64 import b64encode
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from keepline.errors import PeerError
from keepline.fleet.exchange import Exchange
from keepline.fleet.reaction import NOTHING, Action, Phase, Reaction
from keepline.fleet.receipts import Receipts
from keepline.fleet.tools import Tools
from keepline.wire import events
from keepline.wire.audio import VERSIONS
from keepline.wire.client_handshake import ResponseReader
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.messages import (
    Ack,
    Alert,
    AudioParams,
    Custom,
    Hello,
    Malformed,
    Mcp,
    Reconnect,
    ServerHello,
    System,
    Unknown,
    encode_device_message,
    parse_server_message,
)
from keepline.wire.reader import FrameReader

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness
    from keepline.fleet.habits import Habits
    from keepline.fleet.identity import Identity
    from keepline.fleet.tally import Tally
    from keepline.wire.messages import KnownDeviceMessage, ServerMessage

HANDSHAKE_TIMEOUT_S: Final = 10.0  # the firmware's: for the 101, and again for the server's hello
_LIMITS: Final = Limits(message_bytes=1 << 20)  # the firmware takes any size
_SWITCHING: Final = 101
_LASTING: Final = (Alert, Custom, System)  # what has an id to be acknowledged by
_CONNECTED: Final = frozenset({Phase.READY, Phase.SPEAKING, Phase.WAITING})
_HELLOS: Final = {
    version: Hello(
        version=version, features={"mcp": True}, transport="websocket", audio_params=AudioParams()
    )
    for version in VERSIONS
}
_WITH_RECEIPTS: Final = {"mcp": True, "ack": True, "resume": True}


class _Luck(IntEnum):
    """How far this device has ever come."""

    NEW = 0
    TRYING = 1
    FAILED = 2
    LET_IN = 3


class Channel:
    """`due` is when it wants to be called next, `inf` for never. Who speaks is the subclass's."""

    __slots__ = (
        "_asked_at",
        "_backoff_s",
        "_exchange",
        "_habits",
        "_luck",
        "_next",
        "_person_at",
        "_random",
        "_reader",
        "_receipts",
        "_response",
        "_session_id",
        "_tally",
        "_told_back_at",
        "_tools",
        "due",
        "identity",
        "phase",
        "spoilt",
    )

    def __init__(
        self,
        identity: Identity,
        habits: Habits,
        random: Randomness,
        tally: Tally,
        *,
        first_due: float,
    ) -> None:
        self.identity = identity
        self.phase = Phase.OFF
        self.due = self._next = first_due
        self.spoilt = False  # the device itself has misbehaved on this connection
        self._habits = habits
        self._random = random
        self._tally = tally
        self._tools: Tools | None = None
        self._exchange = Exchange() if habits.numbers else None
        self._receipts = Receipts() if habits.receipts else None
        self._person_at = first_due  # when the person speaks next
        if habits.at_once < 1.0 and random.random() >= habits.at_once:
            self._person_at += _drawn_pause(habits, random, 0.0)
        self._response: ResponseReader | None = None
        self._reader = FrameReader(_LIMITS, masked=False)
        self._asked_at = 0.0
        self._session_id = ""
        self._backoff_s = habits.reconnect_s
        self._told_back_at: float | None = None  # by a server that leaves
        self._luck = _Luck.NEW

    @property
    def is_connected(self) -> bool:
        """Whether hellos were exchanged and the channel is not known to be gone."""
        return self.phase in _CONNECTED

    # -- opening ---------------------------------------------------------------------------

    def _connect(self) -> Reaction:
        counts = self._tally.counts
        counts.connects += 1
        if self._luck is _Luck.NEW:
            self._luck = _Luck.TRYING
        self._enter(Phase.CONNECTING, inf)
        return Reaction(action=Action.CONNECT)

    def connected(self, now: float) -> Reaction:
        """TCP is up."""
        key = b64encode(self._random.randbytes(16)).decode()
        self._response = ResponseReader(_LIMITS, key=key)
        self._reader = FrameReader(_LIMITS, masked=False)
        self.spoilt = False
        self._told_back_at = None
        self._asked_at = now
        self._enter(Phase.UPGRADING, now + HANDSHAKE_TIMEOUT_S)
        return Reaction(self.identity.upgrade(key))

    def _receive_response(self, data: bytes, now: float) -> Reaction:
        assert self._response is not None
        try:
            response = self._response.receive(data)
        except PeerError:
            self._tally.counts.violations += 1
            return self._give_up(now)
        if response is None:
            return NOTHING
        if response.status != _SWITCHING:
            self._tally.counts.refused[response.status] += 1
            return self._give_up(now)
        self._tally.upgrade.add(now - self._asked_at)
        rest, self._response = self._response.rest, None
        self._enter(Phase.GREETING, now + HANDSHAKE_TIMEOUT_S)
        hello = self._say(self._hello())
        early = self._receive_frames(rest, now)
        return Reaction(hello + early.data, early.action)

    def _hello(self) -> Hello:
        said = _HELLOS[self.identity.audio_version]
        return said if self._receipts is None else replace(said, features=_WITH_RECEIPTS)

    def _greet(self, hello: ServerHello, now: float) -> Reaction:
        counts = self._tally.counts
        counts.hellos += 1
        counts.let_in += self._luck is not _Luck.LET_IN
        counts.unlucky -= self._luck is _Luck.FAILED
        self._luck = _Luck.LET_IN
        self._session_id = hello.session_id
        if hello.resume:
            counts.outcomes[hello.resume] += 1
        self._backoff_s = self._habits.reconnect_s
        self._tally.hello.add(now - self._asked_at)
        self._enter(Phase.READY, max(self._person_at, now))
        return Reaction(self._say_a_number(now))

    # -- hearing ---------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> Reaction:
        """Bytes came; frames beyond one turn's worth come with the next call."""
        if self.phase is Phase.UPGRADING:
            return self._receive_response(data, now)
        if self.phase in (Phase.OFF, Phase.DEAD):
            return NOTHING
        event = self._reader.receive_whole(data)
        return self._receive_frames(data, now) if event is None else self._hear(event, now)

    @property
    def pending(self) -> bool:
        """Whether `receive(b"")` has more to work on."""
        return self._reader.pending

    def _receive_frames(self, data: bytes, now: float) -> Reaction:
        written = b""
        for event in self._reader.receive(data):
            reaction = self._hear(event, now)
            written += reaction.data
            if reaction.action is not None:
                return Reaction(written, reaction.action)
        return Reaction(written)

    def _hear(self, event: events.Event, now: float) -> Reaction:
        counts = self._tally.counts
        match event:
            case events.Binary(data):
                self._hear_audio(data, now)
            case events.Text(text):
                return self._hear_text(text, now)
            case events.Ping(data):
                counts.pings_answered += 1
                return Reaction(self._masked(Opcode.PONG, data))
            case events.Close(code):
                # It reads neither code nor reason, answers nothing and keeps its socket.
                if self.spoilt:
                    counts.after_fault[str(code)] += 1
                else:
                    counts.closed[code] += 1
                self._dropped(now)
            case events.Violation():
                counts.violations += 1
                return self._give_up(now)
        return NOTHING

    def _hear_text(self, text: str, now: float) -> Reaction:
        message = parse_server_message(text)
        if self._receipts is None or not isinstance(message, _LASTING) or not message.message_id:
            return self._hear_message(message, now)
        counts = self._tally.counts
        counts.receipts += 1
        receipt = self._say(Ack(message.message_id))
        if not self._receipts.is_new(message.message_id):
            counts.said_again += 1
            return Reaction(receipt)
        reaction = self._hear_message(message, now)
        return Reaction(receipt + reaction.data, reaction.action)

    def _hear_audio(self, data: bytes, now: float) -> None:
        raise NotImplementedError

    def _hear_message(self, message: ServerMessage | Unknown | Malformed, now: float) -> Reaction:
        counts = self._tally.counts
        match message:
            case ServerHello() as hello if self.phase is Phase.GREETING:
                return self._greet(hello, now)
            case Custom(payload) if self._exchange is not None:
                self._exchange.hear(payload, now, self._tally)
            case Mcp(payload):
                if self._tools is None:
                    self._tools = Tools()
                answer = self._tools.answer(payload)
                if answer is not None:
                    counts.tool_answers += 1
                    return Reaction(self._say(Mcp(answer, session_id=self._session_id)))
            case Alert():
                counts.alerts += 1
            case Reconnect(after_ms):
                counts.hints += 1
                self._told_back_at = now + after_ms / 1_000
            case Unknown() | Malformed():
                counts.ignored += 1
        return NOTHING

    # -- ends ------------------------------------------------------------------------------

    def failed(self, now: float, why: str) -> None:
        """There is no TCP connection; `why` is one word."""
        if self.phase is Phase.CONNECTING:
            self._tally.counts.failed[why] += 1
            self._dropped(now)

    def lost(self, now: float, *, reset: bool = False) -> None:
        """TCP is gone, by a FIN or a `reset`, and this side did not hang up."""
        counts = self._tally.counts
        if self.phase in (Phase.OFF, Phase.DEAD):
            return
        if self.spoilt:
            counts.after_fault["rst" if reset else "fin"] += 1
        elif not self.is_connected:
            counts.unready += 1
        elif reset:
            counts.resets += 1
        else:
            counts.fins += 1
        self._dropped(now)

    def _hang_up(self, now: float) -> Reaction:
        self._cut()
        self._enter(Phase.OFF, self._next_person_at(now))
        return Reaction(action=Action.HANG_UP)

    def _give_up(self, now: float) -> Reaction:
        """Close a channel that came to nothing, and not by this side's wish."""
        self._dropped(now)
        return Reaction(action=Action.HANG_UP)

    def _dropped(self, now: float) -> None:
        """The channel is gone: stock firmware waits for its person."""
        if self._luck is _Luck.TRYING:
            self._luck = _Luck.FAILED
            self._tally.counts.unlucky += 1
        if self._exchange is not None and not self.spoilt:
            self._exchange.drop(self._tally)
        self._cut()
        person_at, back_s = self._next_person_at(now), self._backoff_s
        if self._told_back_at is not None:
            back_at, self._told_back_at = self._told_back_at, None
            self._enter(Phase.OFF, max(back_at, now))
            return
        most_s = self._habits.reconnect_most_s
        if back_s is not None and most_s is not None:
            self._backoff_s = min(2 * back_s, most_s)
            back_s *= self._random.uniform(0.5, 1.0)
        self._enter(Phase.OFF, person_at if back_s is None else now + back_s)

    def _cut(self) -> None:
        """Expect nothing more of this connection."""
        if self._exchange is not None:
            self._exchange.cut(self._tally)

    def settle(self, now: float) -> None:
        """Count what has not come by the end of a run."""
        if self._exchange is not None and self.is_connected:
            self._exchange.expire(now, self._tally)

    def _next_person_at(self, now: float) -> float:
        if self._person_at <= now:
            self._person_at = now + _drawn_pause(
                self._habits, self._random, self._habits.pause_s[0]
            )
        return self._person_at

    def _enter(self, phase: Phase, due: float) -> None:
        self.phase = phase
        self._wait(due)

    def _wait(self, until: float) -> None:
        self._next = self.due = until

    # -- bytes -----------------------------------------------------------------------------

    def _say(self, message: KnownDeviceMessage) -> bytes:
        return self._masked(Opcode.TEXT, encode_device_message(message).encode())

    def _say_a_number(self, now: float) -> bytes:
        if self._exchange is None:
            return b""
        payload = self._exchange.say(now, self._tally)
        return self._say(Custom(payload, session_id=self._session_id))

    def _masked(self, opcode: int, payload: bytes) -> bytes:
        return encode_masked(opcode, payload, self._random.randbytes(4))


def _drawn_pause(habits: Habits, random: Randomness, least_s: float) -> float:
    most_s = habits.pause_s[1]
    return inf if most_s == inf else random.uniform(least_s, most_s)
