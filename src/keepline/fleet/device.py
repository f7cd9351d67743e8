"""PURE: one simulated device with its person, who has conversations (sources: the firmware's).

Whoever runs it calls `tick` when `due` has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.errors import InvalidDataError
from keepline.fleet.channel import Channel
from keepline.fleet.deathwatch import Deathwatch
from keepline.fleet.habits import FRAME_S
from keepline.fleet.reaction import NOTHING, Action, Phase, Reaction
from keepline.fleet.utterance import Utterance
from keepline.wire.audio import pack, unpack
from keepline.wire.frames import Opcode
from keepline.wire.messages import Listen, Stt, Tts

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness
    from keepline.fleet.habits import Habits
    from keepline.fleet.identity import Identity
    from keepline.fleet.tally import State, Tally
    from keepline.wire.messages import Malformed, ServerMessage, Unknown

REPLY_TIMEOUT_S: Final = 10.0  # how long the person waits for something to be heard
FRAME_BYTES: Final = 120
_NUMBER_BYTES: Final = 4  # at a frame's end; to everybody else they are Opus
_OPUS_SILK_60MS: Final = b"\x58"  # an Opus packet's first byte: wideband, 60 ms, mono, one frame
_STATES: Final[dict[Phase, State]] = {Phase.SPEAKING: "streaming", Phase.WAITING: "hearing"}


class Device(Channel):
    """A channel, and what is said on it."""

    __slots__ = ("_fate", "_number", "_turns_left", "_utterance", "_voice", "deathwatch")

    def __init__(
        self,
        identity: Identity,
        habits: Habits,
        random: Randomness,
        tally: Tally,
        *,
        first_due: float,
    ) -> None:
        super().__init__(identity, habits, random, tally, first_due=first_due)
        self.deathwatch: Deathwatch | None = None  # of its latest death
        self._voice = _OPUS_SILK_60MS + random.randbytes(FRAME_BYTES - 1 - _NUMBER_BYTES)
        self._turns_left = 0
        self._fate = 1.0
        self._number = 0  # of the next frame
        self._utterance: Utterance | None = None  # of the turn that is under way

    @property
    def is_talking(self) -> bool:
        """Whether a conversation is under way."""
        return self.phase in _STATES

    def tick(self, now: float) -> Reaction:
        """`due` has come."""
        match self.phase:
            case Phase.OFF | Phase.DEAD:
                return self._connect()
            case Phase.READY:
                return self._begin_conversation(now)
            case Phase.SPEAKING:
                return self._speak(now)
            case Phase.WAITING:
                if self.spoilt:
                    self._tally.counts.turns_cut += 1
                else:
                    self._tally.counts.turns_unanswered += 1
                return self._end_turn(now)
            case _:
                self._tally.counts.timeouts += 1
                return self._give_up(now)

    # -- conversations ---------------------------------------------------------------------

    def _begin_conversation(self, now: float) -> Reaction:
        self._tally.counts.conversations += 1
        self._turns_left = self._random.randint(*self._habits.turns)
        self._fate = self._random.random()
        return self._begin_turn(now)

    def _begin_turn(self, now: float) -> Reaction:
        self._turns_left -= 1
        kind = self._random.choice(self._habits.kinds)
        number = self._say_a_number(now)
        if kind == "text":
            self._utterance = Utterance(kind, 0, self._number)
            self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
            said = Listen("detect", text="hello", session_id=self._session_id)
        else:
            frames = self._random.randint(*self._habits.turn_frames)
            self._utterance = Utterance(kind, frames, self._number)
            self._enter(Phase.SPEAKING, now + FRAME_S)
            said = Listen("start", mode=kind, session_id=self._session_id)
        return Reaction(number + self._say(said))

    def _speak(self, now: float) -> Reaction:
        utterance = self._utterance
        assert utterance is not None, "who speaks has something to say"
        if utterance.frames_left == 0:
            if self._turns_left == 0 and self._fate < self._habits.die:
                return self._die(now, self._habits.dead_s)  # mid-sentence
            self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
            return Reaction(self._say(Listen("stop", session_id=self._session_id)))
        self._tally.counts.frames_sent += 1
        number = utterance.said(now)
        self._number = number + 1
        # On time on average; what a stall of ours swallowed was never recorded.
        self._wait(max(self._next + FRAME_S, now))
        frame = self._voice + number.to_bytes(_NUMBER_BYTES)
        return Reaction(self._masked(Opcode.BINARY, pack(frame, self.identity.audio_version)))

    def _hear_audio(self, data: bytes, now: float) -> None:
        """The firmware believes what a packet says of itself, so a wrong one would be its end."""
        tally, counts = self._tally, self._tally.counts
        try:
            frame = unpack(data, self.identity.audio_version).payload
        except InvalidDataError:
            counts.violations += 1
            return
        counts.frames_heard += 1
        utterance = self._utterance
        if utterance is not None:
            utterance.heard(now, tally)
        if isinstance(frame, bytes) and frame[:-_NUMBER_BYTES] == self._voice:
            counts.frames_own += 1
            if utterance is not None:
                utterance.heard_own(int.from_bytes(frame[-_NUMBER_BYTES:]), tally)
        else:
            counts.foreign_frames += 1
        if self.phase is Phase.WAITING:
            self._wait(now + REPLY_TIMEOUT_S)

    def _hear_message(self, message: ServerMessage | Unknown | Malformed, now: float) -> Reaction:
        kind = None if self._utterance is None else self._utterance.kind
        match message:
            case Stt() if self.phase is Phase.WAITING and kind == "text":
                return self._answered(now)
            case Tts(state="start") if self.phase is Phase.SPEAKING and kind == "auto":
                self._enter(Phase.WAITING, now + REPLY_TIMEOUT_S)
            case Tts(state="stop") if self.phase is Phase.WAITING and kind != "text":
                return self._answered(now)
            case _:
                return super()._hear_message(message, now)
        return NOTHING

    def _answered(self, now: float) -> Reaction:
        self._tally.counts.turns_answered += 1
        return self._end_turn(now)

    def _end_turn(self, now: float) -> Reaction:
        utterance, self._utterance = self._utterance, None
        if utterance is not None and not self.spoilt:
            utterance.end(self._tally)
        if self._turns_left > 0:
            return self._begin_turn(now)
        habits = self._habits
        if self._fate < habits.die:
            return self._die(now, habits.dead_s)
        if self._fate < habits.die + habits.hang_up:
            self._tally.counts.hung_up += 1
            return self._hang_up(now)
        self._enter(Phase.READY, self._next_person_at(now))
        return NOTHING

    # -- ends ------------------------------------------------------------------------------

    def _die(self, now: float, away_s: tuple[float, float]) -> Reaction:
        """Battery out, or beyond the Wi-Fi: the server is told nothing."""
        self._tally.counts.died += 1
        state = _STATES.get(self.phase, "idle")
        self.deathwatch = Deathwatch(self._reader, state, now, self._tally)
        self._cut()
        self._enter(Phase.DEAD, now + self._random.uniform(*away_s))
        return Reaction(action=Action.FREEZE)

    def _cut(self) -> None:
        self._utterance = None
        super()._cut()
