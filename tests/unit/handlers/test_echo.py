from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.gateway.speech import BETWEEN_S
from keepline.handlers.echo import (
    AUTO_PAUSE_S,
    AUTO_TURN_FRAMES,
    MANUAL_TURN_FRAMES,
    TURN_BYTES,
    Echo,
)
from keepline.wire.frames import Opcode
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
    encode_device_message,
    parse_server_message,
)
from tests.unit.gateway.fakes import Life, World, split_frames
from tests.unit.gateway.virtual_time import LoopClock, VirtualLoop, pass_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.session import Session
    from keepline.wire.messages import (
        DeviceMessage,
        KnownDeviceMessage,
        ListenMode,
        ServerMessage,
        Unreadable,
    )

PACKETS_AHEAD = 5


class Device:
    """A device in front of an echo, on a loop that never waits: notes what it is sent, and when."""

    def __init__(
        self,
        loop: VirtualLoop,
        audio_params: AudioParams | None = None,
        handler: type[Echo] = Echo,
        **wire: int,
    ) -> None:
        self.loop = loop
        self.sent: list[ServerMessage | Unreadable | bytes] = []
        self.sent_at: list[float] = []
        self.life = loop.run_until_complete(self._connect(audio_params, handler, wire))
        self.session = self.life.session
        self.life.transport.written.clear()
        self.life.transport.on_write = self._note

    async def _connect(
        self, audio_params: AudioParams | None, handler: type[Echo], wire: dict[str, int]
    ) -> Life:
        world = World(handler, clock=LoopClock(), wire=wire)
        connection = world.greeted(Receiver())
        hello = Hello(audio_params=audio_params)
        session = world.open(connection, Identity("device-1", "client-1"), hello)
        return Life(connection, session)

    def _note(self) -> None:
        for opcode, payload in split_frames(self.life.transport.written.pop()):
            is_text = opcode == Opcode.TEXT
            self.sent.append(parse_server_message(payload.decode()) if is_text else payload)
            self.sent_at.append(self.loop.time())

    def says(self, message: KnownDeviceMessage) -> None:
        self.life.says(encode_device_message(message))

    def hears(self, message: DeviceMessage) -> None:
        self.session.handler.text(self.session, message)

    def listens(self, mode: ListenMode | None) -> None:
        self.says(Listen("start", mode=mode))

    def speaks(self, *frames: bytes) -> None:
        for frame in frames:
            self.life.streams(frame)

    def waits(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def living_tasks(self) -> int:
        return len(asyncio.all_tasks(self.loop))

    def living_timers(self) -> int:
        beside = self.session._beside
        return 0 if beside is None else len(beside.timers)


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
    assert device.living_tasks() == device.living_timers() == 0


def test_however_many_auto_turns_begin_one_timer_watches_their_pauses(device: Device) -> None:
    for _ in range(20):
        device.listens("auto")
        device.speaks(b"one")
    assert device.living_timers() == 1
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
    assert device.living_tasks() == 0


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
    stopped = (PACKETS_AHEAD + 10) * 0.06 + BETWEEN_S
    expected = pytest.approx([0.0, *due, stopped], abs=1e-5)
    assert [at - started for at in device.sent_at] == expected


def test_the_pace_follows_the_hello(loop: VirtualLoop) -> None:
    device = Device(loop, AudioParams(frame_duration=20))
    device.listens("manual")
    device.speaks(*frames_numbered(10))
    device.says(Listen("stop"))
    device.waits(5)
    assert device.sent_at[-1] - device.sent_at[0] == pytest.approx(10 * 0.02 + BETWEEN_S)


@pytest.mark.parametrize("interruption", [Abort(), Listen("start", mode="manual")])
def test_abort_or_a_new_turn_stops_the_playback_at_once(
    device: Device, interruption: KnownDeviceMessage
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


def test_turns_in_quick_succession_leave_one_to_be_heard(device: Device) -> None:
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


@pytest.mark.parametrize("mode", ["auto", "manual"])
def test_a_turn_whose_only_frame_is_too_large_is_answered_with_nothing(
    loop: VirtualLoop, mode: ListenMode
) -> None:
    device = Device(loop, message_bytes=2 * TURN_BYTES)
    device.listens(mode)
    device.speaks(bytes(TURN_BYTES + 1))
    device.says(Listen("stop"))
    device.waits(5)
    assert device.sent == []
    assert device.living_timers() == 0


class SlowEcho(Echo):
    """Looks something up before it minds a message."""

    async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
        await pass_time(1.0)
        super().text(session, message)


def test_a_turn_that_ends_while_the_look_for_its_pause_waits_its_turn_ends_once(
    loop: VirtualLoop,
) -> None:
    device = Device(loop, handler=SlowEcho)
    device.listens("auto")
    device.waits(1.5)
    device.speaks(b"one")
    device.waits(0.3)
    device.says(Listen("stop"))  # minded only when the pause was due already
    device.waits(5)
    assert device.sent == [Tts("start"), b"one", Tts("stop")]
    assert device.life.connection.lifecycle.reason is None


def test_a_look_for_the_pause_of_an_old_turn_does_not_end_the_next(loop: VirtualLoop) -> None:
    device = Device(loop, handler=SlowEcho)
    device.listens("auto")
    device.waits(1.5)
    device.speaks(b"old")
    device.waits(0.3)
    device.listens("auto")  # minded in a second
    device.waits(0.1)
    device.speaks(b"new")  # waits before the look for the pause of the old turn
    device.waits(0.5 + 0.3)
    assert device.sent == []
    device.speaks(b"more")
    device.waits(5)
    assert device.sent == [Tts("start"), b"new", b"more", Tts("stop")]


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
    device.hears(Mcp({"jsonrpc": "2.0"}))
    device.hears(Unknown(type="iot", text="{}"))
    device.hears(Malformed(text="{", detail="truncated"))
    device.hears(Hello())
    assert device.sent == []
