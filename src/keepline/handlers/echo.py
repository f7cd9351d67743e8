"""The handler that says back what it hears: for trying a device out, for tests and benches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.gateway.handler import Handler
from keepline.wire.messages import Abort, Custom, Listen, Stt, Tts

if TYPE_CHECKING:
    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage, ListenMode

# In auto mode the device streams without end, silence too, and this handler does not decode
# audio: a turn of fixed length is the only end it can know. 3 s at 60 ms a frame.
AUTO_TURN_FRAMES: Final = 50
# A device that stops sending when nobody speaks (voice detection of its own) ends it sooner.
AUTO_PAUSE_S: Final = 0.8
# In manual mode a turn lasts as long as a button is held; what comes later is not recorded.
MANUAL_TURN_FRAMES: Final = 500
# A turn's memory: twice what 30 s of the firmware's speech take.
TURN_BYTES: Final = 131_072
# The device queues 40 packets, and floods have crashed it: stay a little ahead of real time.
PACKETS_AHEAD: Final = 5


class Echo(Handler):
    """Plays back each turn when it ends, or in `realtime` each frame at once.

    `listen detect` with a text is answered with that text as `stt`; a `custom` payload comes
    back as `custom`. `abort`, or a new `listen start`, stops the playback.
    """

    __slots__ = (
        "_frames",
        "_mode",
        "_player_lives",
        "_recorded_bytes",
        "_speaking",
        "_turn",
        "_watcher_lives",
    )

    def __init__(self) -> None:
        self._mode: ListenMode | None = None  # None: not listening
        self._frames: list[bytes] | None = None  # what was recorded of this turn
        self._recorded_bytes = 0
        self._turn: list[bytes] | None = None  # what is being played back
        self._player_lives = False
        self._watcher_lives = False
        self._speaking = False  # between `tts start` and `tts stop`

    def text(self, session: Session, message: DeviceMessage) -> None:
        match message:
            case Listen(state="start"):
                self._start(session, message.mode or "auto")
            case Listen(state="stop"):
                self._end_turn(session)
            case Listen(state="detect", text=str(heard)):
                session.send(Stt(heard))
            case Abort():
                self._stop_speaking(session)
                self._forget()
            case Custom():
                session.send(Custom(message.payload))

    def audio(self, session: Session, frame: bytes) -> None:
        if self._mode == "realtime":
            session.send_audio(frame)
        elif self._mode is not None:
            self._record(session, frame)

    def _start(self, session: Session, mode: ListenMode) -> None:
        self._stop_speaking(session)
        self._forget()
        self._mode = mode
        if mode == "realtime":  # the firmware plays nothing outside `tts start` and `tts stop`
            self._start_speaking(session)

    def _record(self, session: Session, frame: bytes) -> None:
        if self._frames is None:
            self._frames = []
            if self._mode == "auto" and not self._watcher_lives:
                self._watcher_lives = True
                session.spawn(self._end_at_pauses(session))
        limit = AUTO_TURN_FRAMES if self._mode == "auto" else MANUAL_TURN_FRAMES
        fits = self._recorded_bytes + len(frame) <= TURN_BYTES
        if fits and len(self._frames) < limit:
            self._frames.append(frame)
            self._recorded_bytes += len(frame)
        if self._mode == "auto" and (not fits or len(self._frames) >= limit):
            self._end_turn(session)

    async def _end_at_pauses(self, session: Session) -> None:
        """End an auto turn that gets no more frames; lives as long as one is recorded."""
        try:
            while self._mode == "auto" and (frames := self._frames) is not None:
                heard = len(frames)
                await asyncio.sleep(AUTO_PAUSE_S)
                if self._frames is frames and len(frames) == heard:
                    self._end_turn(session)
        finally:
            self._watcher_lives = False

    def _end_turn(self, session: Session) -> None:
        if self._mode == "realtime":
            self._stop_speaking(session)
        frames = self._frames
        self._forget()
        if frames:
            self._start_speaking(session)
            self._turn = frames
            if not self._player_lives:  # one that was stopped may still wait for its next packet
                self._player_lives = True
                session.spawn(self._play(session))

    def _forget(self) -> None:
        self._mode = None
        self._frames = None
        self._recorded_bytes = 0

    def _start_speaking(self, session: Session) -> None:
        self._speaking = True
        session.send(Tts("start"))

    def _stop_speaking(self, session: Session) -> None:
        self._turn = None
        if self._speaking:
            self._speaking = False
            session.send(Tts("stop"))

    async def _play(self, session: Session) -> None:
        try:
            while (turn := self._turn) is not None:
                await self._play_turn(session, turn)
        finally:
            self._player_lives = False

    async def _play_turn(self, session: Session, turn: list[bytes]) -> None:
        """Send `turn` a few packets ahead of real time, for as long as it is the one to play."""
        frame_s = _frame_s(session)
        clock = asyncio.get_running_loop().time
        started = clock()
        for index, frame in enumerate(turn):
            await asyncio.sleep(started + (index - PACKETS_AHEAD) * frame_s - clock())
            if self._turn is not turn:
                return
            session.send_audio(frame)
        await asyncio.sleep(started + len(turn) * frame_s - clock())  # until all is heard
        if self._turn is turn:
            self._stop_speaking(session)


def _frame_s(session: Session) -> float:
    """How long one of the device's packets plays; Opus packets last 2.5 to 120 ms."""
    params = session.hello.audio_params
    duration_ms = 60 if params is None else params.frame_duration
    return min(max(duration_ms, 3), 120) / 1000
