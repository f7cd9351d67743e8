"""The handler that says back what it hears: for trying a device out, for tests and benches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.gateway.handler import Handler
from keepline.wire.messages import Abort, Custom, Listen, Stt, Tts

if TYPE_CHECKING:
    from keepline.gateway.session import Session
    from keepline.gateway.timers import Timer
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


class Recording:
    """What was said in one turn."""

    __slots__ = ("_bytes", "frames", "watch")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._bytes = 0
        self.watch: Timer | None = None  # for a pause, in an auto turn

    def take(self, frame: bytes, limit: int) -> bool:
        """Keep a frame; False for one beyond `limit` frames, or what a turn may take."""
        if len(self.frames) >= limit or self._bytes + len(frame) > TURN_BYTES:
            return False
        self.frames.append(frame)
        self._bytes += len(frame)
        return True


class Echo(Handler):
    """Plays back each turn when it ends, or in `realtime` each frame at once.

    `listen detect` with a text is answered with that text as `stt`; a `custom` payload comes
    back as `custom`. `abort`, or a new `listen start`, stops the playback.
    """

    __slots__ = ("_is_live", "_mode", "_recording")

    def __init__(self) -> None:
        self._mode: ListenMode | None = None  # None: not listening
        self._recording: Recording | None = None  # of this turn
        self._is_live = False  # between the `tts start` and `tts stop` of realtime

    def text(self, session: Session, message: DeviceMessage) -> None:
        match message:
            case Listen(state="start"):
                self._start(session, message.mode or "auto")
            case Listen(state="stop"):
                self._end_turn(session)
            case Listen(state="detect", text=str(heard)):
                session.send(Stt(heard))
            case Abort():  # the speech is cut already
                self._go_live(session, live=False)
                self._forget()
            case Custom():
                session.send(Custom(message.payload))

    def audio(self, session: Session, frame: bytes) -> None:
        if self._mode == "realtime":
            session.send_audio(frame)
        elif self._mode is not None:
            self._record(session, frame)

    def _start(self, session: Session, mode: ListenMode) -> None:
        session.stop_speaking()
        self._forget()
        self._mode = mode
        # The firmware plays nothing outside `tts start` and `tts stop`.
        self._go_live(session, live=mode == "realtime")

    def _record(self, session: Session, frame: bytes) -> None:
        recording = self._recording
        if recording is None:
            recording = self._recording = Recording()
        if self._mode == "manual":
            recording.take(frame, MANUAL_TURN_FRAMES)
            return
        taken = recording.take(frame, AUTO_TURN_FRAMES)
        if not taken or len(recording.frames) >= AUTO_TURN_FRAMES:
            self._end_turn(session)
        elif recording.watch is None:
            self._watch(session, recording)

    def _watch(self, session: Session, recording: Recording) -> None:
        heard = len(recording.frames)
        recording.watch = session.after(AUTO_PAUSE_S, self._look_for_a_pause, recording, heard)

    def _look_for_a_pause(self, session: Session, recording: Recording, heard: int) -> None:
        """End an auto turn that has got no more frames.

        It may be over: where a call takes its time, a timer that is cancelled has fired already.
        """
        if recording is not self._recording:
            return
        if len(recording.frames) == heard:
            self._end_turn(session)
        else:
            self._watch(session, recording)

    def _end_turn(self, session: Session) -> None:
        recording = self._recording
        self._go_live(session, live=False)
        self._forget()
        if recording is not None and recording.frames:
            session.speak(recording.frames)

    def _forget(self) -> None:
        self._mode = None
        if self._recording is not None and self._recording.watch is not None:
            self._recording.watch.cancel()
        self._recording = None

    def _go_live(self, session: Session, *, live: bool) -> None:
        if live is not self._is_live:
            self._is_live = live
            session.send(Tts("start" if live else "stop"))
