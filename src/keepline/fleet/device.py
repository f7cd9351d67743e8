"""PURE: one simulated device, as the stock firmware behaves (sources: its protocol classes).

Time and bytes come in, bytes to send and actions for its socket go out. Whoever runs it calls
`tick` when `due` has come.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from keepline.errors import InvalidDataError, PeerError
from keepline.fleet.tools import Tools
from keepline.wire import events
from keepline.wire.audio import VERSIONS, pack, unpack
from keepline.wire.client_handshake import ResponseReader, upgrade_request
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.messages import (
    Alert,
    AudioParams,
    Hello,
    Listen,
    Malformed,
    Mcp,
    ServerHello,
    Stt,
    Tts,
    Unknown,
    encode_device_message,
    parse_server_message,
)
from keepline.wire.reader import FrameReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.fleet.habits import Habits, TurnKind
    from keepline.fleet.report import Tally
    from keepline.wire.messages import KnownDeviceMessage

T = TypeVar("T")

HANDSHAKE_TIMEOUT_S: Final = 10.0  # the firmware's: for the 101, and again for the server's hello
FRAME_S: Final = 0.06
REPLY_TIMEOUT_S: Final = 10.0  # how long the person waits for something to be heard
FRAME_BYTES: Final = 120
_OPUS_SILK_60MS: Final = b"\x58"  # an Opus packet's first byte: wideband, 60 ms, mono, one frame
_LIMITS: Final = Limits(message_bytes=1 << 20)  # the firmware takes any size
_HELLOS: Final = {
    version: Hello(
        version=version, features={"mcp": True}, transport="websocket", audio_params=AudioParams()
    )
    for version in VERSIONS
}


class Randomness(Protocol):
    """What is used of a `random.Random`."""

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def randint(self, a: int, b: int) -> int: ...
    def choice(self, seq: Sequence[T]) -> T: ...
    def randbytes(self, n: int) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a device is, where it wants to go and how it frames its audio.

    `token` None sends no Authorization.
    """

    device_id: str
    client_id: str
    host: str
    target: str
    token: str | None
    audio_version: int = 1


class Phase(Enum):
    """What a device is doing."""

    OFF = "off"  # no channel, as far as it knows
    CONNECTING = "connecting"  # TCP
    UPGRADING = "upgrading"
    GREETING = "greeting"
    READY = "ready"
    SPEAKING = "speaking"  # the person speaks, the device streams
    WAITING = "waiting"  # for the answer, or hearing it
    DEAD = "dead"


class Action(Enum):
    """What is to be done with the socket, after the bytes are written."""

    CONNECT = "connect"  # drop the one there may be, open a new one
    HANG_UP = "hang_up"  # close TCP; there is no Close frame
    FREEZE = "freeze"  # read nothing, write nothing, leave it open


class Reaction(NamedTuple):
    """What a device wants done: `data` written, then `action` taken."""

    data: bytes = b""
    action: Action | None = None


class Device:
    """One device with its person. `due` is when it wants to be called next, `inf` for never."""

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
        self.due = first_due
        self._habits = habits
        self._random = random
        self._tally = tally
        self._frame = _OPUS_SILK_60MS + random.randbytes(FRAME_BYTES - 1)
        self._tools = Tools()
        self._person_at = first_due  # when the person speaks next
        self._response = ResponseReader(_LIMITS, key="")
        self._reader = FrameReader(_LIMITS, masked=False)
        self._asked_at = 0.0
        self._session_id = ""
        self._kind: TurnKind = "text"
        self._turns_left = 0
        self._frames_left = 0
        self._fate = 1.0

    @property
    def is_connected(self) -> bool:
        """Whether hellos were exchanged and the channel is not known to be gone."""
        return self.phase in (Phase.READY, Phase.SPEAKING, Phase.WAITING)

    @property
    def is_talking(self) -> bool:
        """Whether a conversation is under way."""
        return self.phase in (Phase.SPEAKING, Phase.WAITING)

    # -- from the socket -------------------------------------------------------------------

    def connected(self, now: float) -> Reaction:
        """TCP is up."""
        key = b64encode(self._random.randbytes(16)).decode()
        self._response = ResponseReader(_LIMITS, key=key)
        self._reader = FrameReader(_LIMITS, masked=False)
        self._enter(Phase.UPGRADING, now + HANDSHAKE_TIMEOUT_S)
        self._asked_at = now
        headers = {
            "Protocol-Version": str(self.identity.audio_version),
            "Device-Id": self.identity.device_id,
            "Client-Id": self.identity.client_id,
        }
        if self.identity.token is not None:
            headers["Authorization"] = f"Bearer {self.identity.token}"
        host, target = self.identity.host, self.identity.target
        return Reaction(upgrade_request(host=host, target=target, headers=headers, key=key))

    def receive(self, data: bytes, now: float) -> Reaction:
        """Bytes came; frames beyond one turn's worth come with the next call."""
        if self.phase is Phase.UPGRADING:
            return self._receive_response(data, now)
        if self.phase in (Phase.OFF, Phase.DEAD):
            return Reaction()
        return self._receive_frames(data, now)

    @property
    def pending(self) -> bool:
        """Whether `receive(b"")` has more to work on."""
        return self._reader.pending

    def lost(self, now: float) -> None:
        """TCP is gone or did not come up, and this side did not hang up."""
        if self.phase in (Phase.OFF, Phase.DEAD):
            return
        if self.phase is Phase.CONNECTING:
            self._tally.counts.connect_failures += 1
        else:
            self._tally.counts.lost += 1
        self._dropped(now)

    # -- from the clock --------------------------------------------------------------------

    def tick(self, now: float) -> Reaction:
        """`due` has come."""
        if self.phase in (Phase.OFF, Phase.DEAD):
            self._tally.counts.connects += 1
            self._enter(Phase.CONNECTING, inf)
            return Reaction(action=Action.CONNECT)
        if self.phase is Phase.READY:
            return self._begin_conversation(now)
        if self.phase is Phase.SPEAKING:
            return self._speak(now)
        if self.phase is Phase.WAITING:
            self._tally.counts.turns_unanswered += 1
            return self._end_turn(now)
        self._tally.counts.timeouts += 1
        return self._hang_up(now)

    # -- opening the channel ---------------------------------------------------------------

    def _receive_response(self, data: bytes, now: float) -> Reaction:
        try:
            response = self._response.receive(data)
        except PeerError:
            self._tally.counts.violations += 1
            return self._hang_up(now)
        if response is None:
            return Reaction()
        if response.status != 101:  # noqa: PLR2004 (Switching Protocols)
            self._tally.counts.refused[response.status] += 1
            return self._hang_up(now)
        self._enter(Phase.GREETING, now + HANDSHAKE_TIMEOUT_S)
        hello = self._say(_HELLOS[self.identity.audio_version])
        early = self._receive_frames(self._response.rest, now)
        return Reaction(hello + early.data, early.action)

    def _greet(self, hello: ServerHello, now: float) -> Reaction:
        self._session_id = hello.session_id
        self._tally.counts.hellos += 1
        self._tally.hello_times_s.append(now - self._asked_at)
        self._enter(Phase.READY, max(self._person_at, now))
        return Reaction()

    # -- hearing ---------------------------------------------------------------------------

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
                return self._hear_message(text, now)
            case events.Ping(data):
                counts.pings_answered += 1
                return Reaction(self._masked(Opcode.PONG, data))
            case events.Close(code):
                # It reads neither code nor reason, answers nothing and keeps its socket.
                counts.closed[code] += 1
                self._dropped(now)
            case events.Violation():
                counts.violations += 1
                return self._hang_up(now)
        return Reaction()

    def _hear_audio(self, data: bytes, now: float) -> None:
        """The firmware believes what a packet says of itself, so a wrong one would be its end."""
        counts = self._tally.counts
        try:
            frame = unpack(data, self.identity.audio_version).payload
        except InvalidDataError:
            counts.violations += 1
            return
        counts.frames_heard += 1
        counts.foreign_frames += frame != self._frame
        if self.phase is Phase.WAITING:
            self.due = now + REPLY_TIMEOUT_S

    def _hear_message(self, text: str, now: float) -> Reaction:
        counts = self._tally.counts
        match parse_server_message(text):
            case ServerHello() as hello if self.phase is Phase.GREETING:
                return self._greet(hello, now)
            case Stt() if self.phase is Phase.WAITING and self._kind == "text":
                return self._answered(now)
            case Tts(state="start") if self.phase is Phase.SPEAKING and self._kind == "auto":
                self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
            case Tts(state="stop") if self.phase is Phase.WAITING and self._kind != "text":
                return self._answered(now)
            case Mcp(payload):
                answer = self._tools.answer(payload)
                if answer is not None:
                    counts.tool_answers += 1
                    return Reaction(self._say(Mcp(answer, session_id=self._session_id)))
            case Alert():
                counts.alerts += 1
            case Unknown() | Malformed():
                counts.ignored += 1
        return Reaction()

    # -- conversations ---------------------------------------------------------------------

    def _begin_conversation(self, now: float) -> Reaction:
        self._tally.counts.conversations += 1
        self._turns_left = self._random.randint(*self._habits.turns)
        self._fate = self._random.random()
        return self._begin_turn(now)

    def _begin_turn(self, now: float) -> Reaction:
        self._turns_left -= 1
        self._kind = kind = self._random.choice(self._habits.kinds)
        if kind == "text":
            self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
            return Reaction(self._say(Listen("detect", text="hello", session_id=self._session_id)))
        self._frames_left = self._random.randint(*self._habits.turn_frames)
        self._enter(Phase.SPEAKING, now + FRAME_S)
        return Reaction(self._say(Listen("start", mode=kind, session_id=self._session_id)))

    def _speak(self, now: float) -> Reaction:
        if self._frames_left == 0:
            if self._turns_left == 0 and self._fate < self._habits.die:
                return self._die(now)  # mid-sentence
            self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
            return Reaction(self._say(Listen("stop", session_id=self._session_id)))
        self._frames_left -= 1
        self._tally.counts.frames_sent += 1
        # On time on average; what a stall of ours swallowed was never recorded.
        self.due = max(self.due + FRAME_S, now)
        packet = pack(self._frame, self.identity.audio_version)
        return Reaction(self._masked(Opcode.BINARY, packet))

    def _answered(self, now: float) -> Reaction:
        self._tally.counts.turns_answered += 1
        return self._end_turn(now)

    def _end_turn(self, now: float) -> Reaction:
        if self._turns_left > 0:
            return self._begin_turn(now)
        habits = self._habits
        if self._fate < habits.die:
            return self._die(now)
        if self._fate < habits.die + habits.hang_up:
            self._tally.counts.hung_up += 1
            return self._hang_up(now)
        self._enter(Phase.READY, self._next_person_at(now))
        return Reaction()

    # -- ends ------------------------------------------------------------------------------

    def _die(self, now: float) -> Reaction:
        """Battery out, or beyond the Wi-Fi: the server is told nothing."""
        self._tally.counts.died += 1
        self._enter(Phase.DEAD, now + self._random.uniform(*self._habits.dead_s))
        return Reaction(action=Action.FREEZE)

    def _hang_up(self, now: float) -> Reaction:
        self._enter(Phase.OFF, self._next_person_at(now))
        return Reaction(action=Action.HANG_UP)

    def _dropped(self, now: float) -> None:
        """The channel is gone: stock firmware waits for its person."""
        person_at, back_s = self._next_person_at(now), self._habits.reconnect_s
        self._enter(Phase.OFF, person_at if back_s is None else now + back_s)

    def _next_person_at(self, now: float) -> float:
        if self._person_at <= now:
            self._person_at = now + self._random.uniform(*self._habits.pause_s)
        return self._person_at

    def _enter(self, phase: Phase, due: float) -> None:
        self.phase = phase
        self.due = due

    # -- bytes -----------------------------------------------------------------------------

    def _say(self, message: KnownDeviceMessage) -> bytes:
        return self._masked(Opcode.TEXT, encode_device_message(message).encode())

    def _masked(self, opcode: int, payload: bytes) -> bytes:
        return encode_masked(opcode, payload, self._random.randbytes(4))
