from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, cast

import pytest

from keepline.handlers.echo import (
    AUTO_PAUSE_S,
    AUTO_TURN_FRAMES,
    MANUAL_TURN_FRAMES,
    PACKETS_AHEAD,
    TURN_BYTES,
    Echo,
)
from keepline.wire.messages import (
    Abort,
    AudioParams,
    Custom,
    Hello,
    Listen,
    Malformed,
    Mcp,
    Stt,
    Tts,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage, ListenMode, ServerMessage


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits: when nothing is ready its clock jumps to the next timer."""

    def __init__(self) -> None:
        self.reading = 1_000.0
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.reading


class JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen any more"
        self.loop.reading += timeout
        return super().select(0)


class Device:
    """Stands in for the session: notes what is sent and when, and holds what is spawned."""

    def __init__(self, loop: VirtualLoop, frame_duration: int = 60) -> None:
        self.loop = loop
        self.hello = Hello(audio_params=AudioParams(frame_duration=frame_duration))
        self.handler = Echo()
        self.sent: list[ServerMessage | bytes] = []
        self.sent_at: list[float] = []
        self.tasks: list[asyncio.Task[None]] = []

    def send(self, message: ServerMessage) -> None:
        self._note(message)

    def send_audio(self, frame: bytes) -> None:
        self._note(frame)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(self.loop.create_task(work))

    def _note(self, what: ServerMessage | bytes) -> None:
        self.sent.append(what)
        self.sent_at.append(self.loop.time())

    def says(self, message: DeviceMessage) -> None:
        self.handler.text(cast("Session", self), message)

    def listens(self, mode: ListenMode | None) -> None:
        self.says(Listen("start", mode=mode))

    def speaks(self, *frames: bytes) -> None:
        for frame in frames:
            self.handler.audio(cast("Session", self), frame)

    def waits(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def living_tasks(self) -> int:
        return sum(not task.done() for task in self.tasks)


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.fixture
def device(loop: VirtualLoop) -> Device:
    return Device(loop)


def frames_numbered(count: int) -> list[bytes]:
    return [index.to_bytes(2) for index in range(count)]


def test_a_manual_turn_is_played_back_when_listening_stops(device: Device) -> None:
    device.listens("manual")
    device.speaks(b"one", b"two")
    device.waits(10)
    assert device.sent == []
    device.says(Listen("stop"))
    device.waits(1)
    assert device.sent == [Tts("start"), b"one", b"two", Tts("stop")]
    assert device.living_tasks() == 0


def test_an_auto_turn_ends_by_itself_after_its_length(device: Device) -> None:
    spoken = frames_numbered(AUTO_TURN_FRAMES + 20)
    device.listens("auto")
    device.speaks(*spoken[: AUTO_TURN_FRAMES - 1])
    assert device.sent == []
    device.speaks(*spoken[AUTO_TURN_FRAMES - 1 :])
    device.waits(10)
    assert device.sent == [Tts("start"), *spoken[:AUTO_TURN_FRAMES], Tts("stop")]


def test_an_auto_turn_ends_earlier_when_listening_stops(device: Device) -> None:
    device.listens("auto")
    device.speaks(b"one")
    device.says(Listen("stop"))
    device.waits(1)
    assert device.sent == [Tts("start"), b"one", Tts("stop")]


def test_an_auto_turn_ends_when_the_device_pauses(device: Device) -> None:
    device.listens("auto")
    for frame in (b"one", b"two"):
        device.speaks(frame)
        device.waits(AUTO_PAUSE_S / 2)
    assert device.sent == []
    device.waits(2 * AUTO_PAUSE_S)
    assert device.sent == [Tts("start"), b"one", b"two", Tts("stop")]
    assert device.living_tasks() == 0


def test_however_many_auto_turns_begin_one_task_watches_their_pauses(device: Device) -> None:
    for _ in range(20):
        device.listens("auto")
        device.speaks(b"one")
    assert device.living_tasks() == 1
    device.waits(10)
    assert device.sent == [Tts("start"), b"one", Tts("stop")]


def test_listening_without_a_mode_is_auto(device: Device) -> None:
    device.listens(None)
    device.speaks(*frames_numbered(AUTO_TURN_FRAMES))
    device.waits(10)
    assert device.sent[-1] == Tts("stop")


def test_a_second_turn_is_played_back_without_the_first(device: Device) -> None:
    for frame in (b"first", b"second"):
        device.listens("manual")
        device.speaks(frame)
        device.says(Listen("stop"))
        device.waits(1)
    assert device.sent == [
        Tts("start"),
        b"first",
        Tts("stop"),
        Tts("start"),
        b"second",
        Tts("stop"),
    ]


def test_a_turn_without_audio_is_answered_with_nothing(device: Device) -> None:
    device.listens("manual")
    device.says(Listen("stop"))
    device.says(Listen("stop"))
    device.waits(1)
    assert device.sent == []


def test_in_realtime_each_frame_comes_back_at_once(device: Device) -> None:
    device.listens("realtime")
    device.speaks(b"one")
    assert device.sent == [Tts("start"), b"one"]
    device.speaks(b"two")
    assert device.sent[2:] == [b"two"]
    device.says(Listen("stop"))
    device.speaks(b"late")
    assert device.sent[3:] == [Tts("stop")]
    assert device.tasks == []


def test_audio_outside_a_turn_is_ignored(device: Device) -> None:
    device.speaks(b"wake word")
    device.listens("manual")
    device.says(Listen("stop"))
    device.speaks(b"late")
    device.says(Listen("stop"))
    device.waits(1)
    assert device.sent == []


def test_playback_runs_a_few_packets_ahead_of_real_time(device: Device) -> None:
    device.listens("manual")
    device.speaks(*frames_numbered(PACKETS_AHEAD + 10))
    device.says(Listen("stop"))
    device.waits(5)
    started = device.sent_at[0]
    due = [max(0.0, (index - PACKETS_AHEAD) * 0.06) for index in range(PACKETS_AHEAD + 10)]
    stopped = (PACKETS_AHEAD + 10) * 0.06
    assert [at - started for at in device.sent_at] == pytest.approx([0.0, *due, stopped])


@pytest.mark.parametrize(
    ("frame_duration", "frame_s"),
    [(20, 0.02), (120, 0.12), (10**30, 0.12), (0, 0.003), (-(10**30), 0.003)],
)
def test_the_pace_follows_the_hello_within_what_opus_allows(
    loop: VirtualLoop, frame_duration: int, frame_s: float
) -> None:
    device = Device(loop, frame_duration)
    device.listens("manual")
    device.speaks(*frames_numbered(10))
    device.says(Listen("stop"))
    device.waits(5)
    assert device.sent_at[-1] - device.sent_at[0] == pytest.approx(10 * frame_s)


def test_a_device_that_named_no_audio_is_paced_like_the_firmware(device: Device) -> None:
    device.hello = Hello()
    device.listens("manual")
    device.speaks(*frames_numbered(10))
    device.says(Listen("stop"))
    device.waits(5)
    assert device.sent_at[-1] - device.sent_at[0] == pytest.approx(0.6)


@pytest.mark.parametrize("interruption", [Abort(), Listen("start", mode="manual")])
def test_abort_or_a_new_turn_stops_the_playback_at_once(
    device: Device, interruption: DeviceMessage
) -> None:
    device.listens("manual")
    device.speaks(*frames_numbered(100))
    device.says(Listen("stop"))
    device.waits(0.61)
    device.says(interruption)
    heard = list(device.sent)
    assert heard[-1] == Tts("stop")
    assert len(heard) == 2 + PACKETS_AHEAD + 11
    device.waits(30)
    assert device.sent == heard
    assert device.living_tasks() == 0


def test_abort_before_the_first_packet_leaves_start_and_stop_paired(device: Device) -> None:
    device.listens("manual")
    device.speaks(b"one")
    device.says(Listen("stop"))
    device.says(Abort())
    device.waits(1)
    assert device.sent == [Tts("start"), Tts("stop")]


def test_abort_forgets_what_was_recorded_and_ends_the_turn(device: Device) -> None:
    device.listens("manual")
    device.speaks(b"one")
    device.says(Abort("wake_word_detected"))
    device.speaks(b"two")
    device.says(Listen("stop"))
    device.waits(1)
    assert device.sent == []


def test_turns_in_quick_succession_share_one_player(device: Device) -> None:
    for index in range(1_000):
        device.listens("manual")
        device.speaks(*frames_numbered(20))
        device.speaks(index.to_bytes(2))
        device.says(Listen("stop"))
        if index % 100 == 0:
            device.waits(0.1)
        assert device.living_tasks() <= 1
    device.waits(5)
    assert device.sent[-2:] == [(999).to_bytes(2), Tts("stop")]
    assert device.sent.count(Tts("start")) == device.sent.count(Tts("stop")) == 1_000
    assert device.living_tasks() == 0


def test_a_manual_turn_records_a_bounded_number_of_frames(device: Device) -> None:
    device.listens("manual")
    device.speaks(*frames_numbered(MANUAL_TURN_FRAMES + 5))
    device.says(Listen("stop"))
    device.waits(60)
    assert device.sent[1:-1] == frames_numbered(MANUAL_TURN_FRAMES)


@pytest.mark.parametrize("mode", ["auto", "manual"])
def test_a_turn_records_a_bounded_number_of_bytes(device: Device, mode: ListenMode) -> None:
    huge = bytes(TURN_BYTES // 4)
    device.listens(mode)
    device.speaks(huge, huge, huge, huge, huge)
    device.says(Listen("stop"))
    device.waits(5)
    assert device.sent == [Tts("start"), huge, huge, huge, huge, Tts("stop")]


def test_detected_text_is_answered_as_what_was_understood(device: Device) -> None:
    device.says(Listen("detect", text="你好小智"))
    device.says(Listen("detect", text=""))
    device.says(Listen("detect"))
    assert device.sent == [Stt("你好小智"), Stt("")]


def test_detected_text_leaves_the_recording_alone(device: Device) -> None:
    device.listens("manual")
    device.speaks(b"one")
    device.says(Listen("detect", text="hi"))
    device.speaks(b"two")
    device.says(Listen("stop"))
    device.waits(1)
    assert device.sent == [Stt("hi"), Tts("start"), b"one", b"two", Tts("stop")]


@pytest.mark.parametrize("payload", [None, 1, "x", [1, {"a": None}], {"deep": {"er": []}}])
def test_a_custom_payload_comes_back(device: Device, payload: object) -> None:
    device.says(Custom(payload, session_id="s"))
    assert device.sent == [Custom(payload)]


def test_what_it_does_not_know_it_leaves_alone(device: Device) -> None:
    device.says(Mcp({"jsonrpc": "2.0"}))
    device.says(Unknown(type="iot", text="{}"))
    device.says(Malformed(text="{", detail="truncated"))
    device.says(Hello())
    assert device.sent == []
