"""PURE: a device of the simulation: a channel as all have, with a person; lean where it is hot."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec.structs import replace

from keepline.fleet.channel import Channel
from keepline.fleet.habits import FRAME_S, Habits
from keepline.fleet.reaction import NOTHING, Action, Phase, Reaction
from keepline.simulation.person import TALK_S
from keepline.wire.audio import pack
from keepline.wire.events import Binary, Ping, Text
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.messages import (
    Ack,
    Alert,
    Custom,
    Listen,
    ServerHello,
    Tts,
    parse_server_message,
)

if TYPE_CHECKING:
    from keepline.fleet.chance import Chance
    from keepline.fleet.identity import Identity
    from keepline.fleet.tally import Tally
    from keepline.simulation.person import Habit, Kind
    from keepline.simulation.plug import Plug
    from keepline.wire.events import Event
    from keepline.wire.messages import Hello, ListenMode

REPLY_TIMEOUT_S: Final = 10.0
RECONNECT_S: Final = (1.0, 60.0)
_FRAME_BYTES: Final = 120
_LIVE: Final = frozenset({Phase.READY, Phase.SPEAKING, Phase.WAITING})
_PONG_HEAD: Final = b"\x8a\x84"
_PING_BYTES: Final = 4


class Listener(Protocol):
    """Who is told what devices say and hear."""

    def said(self, device: SimulatedDevice, number: int) -> None:
        """It has asked for something, under a number that counts up on each connection."""

    def heard(self, device: SimulatedDevice, number: int, message_id: str) -> None:
        """It was told something by the application."""

    def greeted(self, device: SimulatedDevice, outcome: object) -> None:
        """It has a session, as far as it knows; `outcome` is what it was told of its last one."""


class SimulatedDevice(Channel):
    """`tick` when `due` has come, as any device of a fleet."""

    __slots__ = (
        "_ask_at",
        "_frame",
        "_habit",
        "_heard_at",
        "_is_auto",
        "_key",
        "_key_number",
        "_listener",
        "_number",
        "_talk_at",
        "_talk_until",
        "data_at",
        "frames",
        "is_quiet",
        "kind",
        "plug",
        "pongs",
    )

    plug: Plug

    def __init__(
        self,
        identity: Identity,
        *,
        kind: Kind,
        habit: Habit,
        chance: Chance,
        tally: Tally,
        listener: Listener,
        first_due: float,
    ) -> None:
        reconnect_s, most_s = RECONNECT_S
        habits = Habits(reconnect_s=reconnect_s, reconnect_most_s=most_s, receipts=kind.acks)
        super().__init__(identity, habits, chance, tally, first_due=first_due)
        self.kind = kind
        self.frames = 0  # sent and heard
        self.pongs = 0  # and answers to probes, on this connection
        self.data_at = first_due  # when it last heard a data message
        self.is_quiet = False  # asks for nothing any more
        self._habit = habit
        self._listener = listener
        self._key = chance.randbytes(4)
        self._key_number = int.from_bytes(self._key)
        opus = pack(b"\x58" + chance.randbytes(_FRAME_BYTES - 1), kind.version)
        self._frame = Reaction(encode_masked(Opcode.BINARY, opus, self._key))
        self._number = 0
        self._heard_at = 0.0
        self._is_auto = False
        self._talk_until = 0.0
        self._talk_at = first_due + habit.next_talk_s(chance)
        self._ask_at = first_due + habit.next_ask_s(chance)

    @property
    def device_id(self) -> str:
        """Who it is."""
        return self.identity.device_id

    @property
    def session_id(self) -> str:
        """What its session is called, as it was told."""
        return self._session_id

    @property
    def words(self) -> int:
        """How often it has asked for something on this connection."""
        return self._number

    @property
    def is_connecting(self) -> bool:
        """Whether it waits for TCP."""
        return self.phase is Phase.CONNECTING

    @property
    def is_talking(self) -> bool:
        """Whether a conversation is under way."""
        return self.phase in {Phase.SPEAKING, Phase.WAITING}

    @property
    def is_streaming(self) -> bool:
        """Whether it sends a frame every 60 ms."""
        return self.phase is Phase.SPEAKING

    # -- time ------------------------------------------------------------------------------

    def tick(self, now: float) -> Reaction:
        """`due` has come."""
        match self.phase:
            case Phase.SPEAKING:
                return self._speak(now)
            case Phase.READY:
                return self._live(now)
            case Phase.WAITING:
                if now - self._heard_at >= REPLY_TIMEOUT_S:
                    return self._rest(now)
                self._wait(self._heard_at + REPLY_TIMEOUT_S)
                return NOTHING
            case Phase.OFF | Phase.DEAD:
                return self._connect()
            case _:
                self._tally.counts.timeouts += 1
                return self._give_up(now)

    def _live(self, now: float) -> Reaction:
        if now >= self.data_at + self.kind.channel_s:
            self._tally.counts.timeouts += 1
            return self._give_up(now)
        if self.is_quiet:
            return self._rest(now)
        if now >= self._talk_at:
            return self._begin_talk(now)
        if now >= self._ask_at:
            self._ask_at = now + self._habit.next_ask_s(self._random)
            asked = self.ask(self._random.choice(self._habit.wishes))
            self._rest(now)
            return asked
        return self._rest(now)

    def _rest(self, now: float) -> Reaction:
        """Have nothing to say for now."""
        self._talk_at = max(self._talk_at, now)
        soonest = inf if self.is_quiet else min(self._talk_at, max(self._ask_at, now))
        self._enter(Phase.READY, min(soonest, self.data_at + self.kind.channel_s))
        return NOTHING

    # -- saying ----------------------------------------------------------------------------

    def ask(self, wish: str, **details: Any) -> Reaction:
        """Ask the application for something."""
        self._number += 1
        self._listener.said(self, self._number)
        payload = {"m": self._number, "do": wish, "u": round(self._random.random(), 6), **details}
        return Reaction(self._say(Custom(payload)))

    def _begin_talk(self, now: float) -> Reaction:
        length_s = self._random.uniform(*TALK_S)
        self._is_auto = self._random.random() < 0.5  # noqa: PLR2004 (a coin)
        self._talk_at = now + length_s + self._habit.next_talk_s(self._random)
        self._talk_until = now + (length_s / 2 if self._is_auto else length_s)
        self._tally.counts.conversations += 1
        self._enter(Phase.SPEAKING, now + FRAME_S)
        mode: ListenMode = "auto" if self._is_auto else "realtime"
        if self.plug.tcp is not None and self.plug.tcp.host is not None:
            self.plug.tcp.host.has_streamed = True
        return Reaction(self._say(Listen("start", mode=mode)))

    def _speak(self, now: float) -> Reaction:
        if now < self._talk_until:
            self.frames += 1
            self._next = self.due = now + FRAME_S
            return self._frame
        said = Reaction(self._say(Listen("stop")))
        if self._is_auto:  # the other half is the answer
            self._heard_at = now
            self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
        else:
            self._rest(now)
        return said

    # -- hearing ---------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> Reaction:
        """Bytes came; what comes all the time takes a short way."""
        if self.phase not in _LIVE:
            return super().receive(data, now)
        event = self._reader.receive_whole(data)
        return self._receive_frames(data, now) if event is None else self._hear(event, now)

    def _hear(self, event: Event, now: float) -> Reaction:
        kind = type(event)
        if kind is Binary:
            self.frames += 1
            self.data_at = self._heard_at = now
            return NOTHING
        if kind is Ping:
            return self._pong(event.data)  # type: ignore[union-attr]
        if kind is Text:
            self.data_at = now
        return super()._hear(event, now)

    def _pong(self, payload: bytes) -> Reaction:
        if not self.kind.pongs:
            return NOTHING
        self.pongs += 1
        if len(payload) != _PING_BYTES:
            return Reaction(self._masked(Opcode.PONG, payload))
        masked = (int.from_bytes(payload) ^ self._key_number).to_bytes(_PING_BYTES)
        return Reaction(_PONG_HEAD + self._key + masked)

    def _hear_text(self, text: str, now: float) -> Reaction:
        message = parse_server_message(text)
        match message:
            case Custom(payload={"n": int(number)}):
                return self._told(number, message.message_id)
            case Alert(message=words) if words.isdigit():
                return self._told(int(words), message.message_id)
            case Tts(state="stop") if self.phase is Phase.WAITING:
                return self._rest(now)
            case _ if "keepline/alive" in text:
                self.pongs += self.kind.mcp
        if not self.kind.mcp and '"mcp"' in text:
            return NOTHING
        return self._hear_message(message, now)

    def _told(self, number: int, message_id: str) -> Reaction:
        self._listener.heard(self, number, message_id)
        return Reaction(self._say(Ack(message_id))) if message_id else NOTHING

    def _hear_audio(self, data: bytes, now: float) -> None:
        """What comes before the hello is nobody's."""

    # -- coming and going ------------------------------------------------------------------

    def _hello(self) -> Hello:
        said = super()._hello()
        return said if self.kind.mcp else replace(said, features=_without_mcp(said.features))

    def _greet(self, hello: ServerHello, now: float) -> Reaction:
        super()._greet(hello, now)
        self._number = self.pongs = 0
        self.data_at = now
        self._listener.greeted(self, hello.resume)
        return self._rest(now)

    def leave(self, now: float, action: Action, away_s: float) -> Reaction:
        """End the connection in the way `action` says, and be back after `away_s`."""
        self._cut()
        self._enter(Phase.DEAD if action is Action.FREEZE else Phase.OFF, now + away_s)
        return Reaction(action=action)

    def come_at_once(self) -> Reaction:
        """Make a new connection, and leave the one there may be alone."""
        self._cut()
        return self._connect()


def _without_mcp(features: Any) -> dict[str, Any]:
    return {name: value for name, value in features.items() if name != "mcp"}
