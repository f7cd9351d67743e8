"""A session's binary messages in the three audio versions, and what the gateway answers itself."""

from __future__ import annotations

import json

import pytest

from keepline.reasons import CloseReason
from keepline.wire.audio import pack
from keepline.wire.frames import Opcode
from keepline.wire.messages import Abort, Hello, ServerOrder
from tests.unit.gateway.fakes import Life, Slow, World, settle

JSON_2 = b"\x00\x02\x00\x01" + bytes(8) + b"\x00\x00\x00\x10"
JSON_3 = b"\x01\x00\x00\x10"
ABORT = b'{"type":"abort"}'


def connect(world: World, version: int | None) -> Life:
    return world.connect(hello=Hello(version=version))


def sent_audio(life: Life) -> list[bytes]:
    return [payload for opcode, payload in life.transport.frames if opcode == Opcode.BINARY]


def sent_texts(life: Life) -> list[dict[str, object]]:
    texts = [payload for opcode, payload in life.transport.frames if opcode == Opcode.TEXT]
    return [json.loads(text) for text in texts]


@pytest.mark.parametrize(("version", "spoken"), [(None, 1), (1, 1), (2, 2), (3, 3)])
async def test_the_server_hello_says_the_version_of_the_session(
    version: int | None, spoken: int
) -> None:
    life = connect(World(), version)
    assert sent_texts(life)[0]["version"] == spoken
    assert life.session.audio_version == spoken


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_audio_is_unpacked_for_the_handler_and_packed_for_the_device(version: int) -> None:
    world = World()
    life = connect(world, version)
    life.streams(pack(b"in", version, 7))
    life.session.send_audio(b"out")
    assert life.handler.calls[-1] == ("audio", b"in")
    assert sent_audio(life) == [pack(b"out", version)]
    assert (world.counters.audio_in, world.counters.audio_out) == (1, 1)


async def test_a_timestamp_goes_to_devices_of_version_2() -> None:
    life = connect(World(), 2)
    life.session.send_audio(b"out", 1_234)
    assert sent_audio(life) == [pack(b"out", 2, 1_234)]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (2, b"short"),
        (2, b"opus without a header"),
        (2, pack(b"opus", 3)),
        (2, pack(b"opus", 2)[:-1]),
        (2, pack(b"opus", 2) + b"x"),
        (3, b"x"),
        (3, b"\x02" + pack(b"opus", 3)[1:]),
        (3, pack(b"opus", 3)[:-1]),
        (3, b"\x01\x00\x00\x01\xff"),
    ],
)
async def test_a_bad_packet_is_counted_and_dropped(version: int, message: bytes) -> None:
    world = World()
    life = connect(world, version)
    life.streams(message)
    life.streams(pack(b"good", version))
    assert life.handler.calls[1:] == [("audio", b"good")]
    assert (world.counters.malformed_audio, world.counters.audio_in) == (1, 1)
    assert world.logged("malformed_audio")[0]["detail"]
    assert life.connection.lifecycle.reason is None


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_an_empty_message_is_nothing_and_no_fault(version: int) -> None:
    """Browsers mark with it that a recording is over."""
    world = World()
    life = connect(world, version)
    life.streams(b"")
    assert life.handler.names == ["opened"]
    assert world.counters.malformed_audio == world.counters.audio_in == 0


@pytest.mark.parametrize(("version", "head"), [(2, JSON_2), (3, JSON_3)])
async def test_json_in_a_packet_is_a_message_like_any_other(version: int, head: bytes) -> None:
    world = World()
    life = connect(world, version)
    life.streams(head + ABORT)
    life.streams(head + b"not json at all!")
    assert life.handler.calls[1:] == [("text", Abort())]
    assert (world.counters.messages_in, world.counters.malformed_messages) == (2, 1)
    assert world.counters.audio_in == world.counters.malformed_audio == 0


async def test_audio_that_waits_for_the_handler_waits_unpacked() -> None:
    world = World(make_handler=Slow)
    life = connect(world, 2)
    slow = life.handler
    assert isinstance(slow, Slow)
    for frame in (b"one", b"two"):
        life.streams(pack(frame, 2))
    slow.go.set()
    await settle()
    assert life.handler.calls[1:] == [("audio", b"one"), ("audio", b"two")]


async def test_a_frame_that_does_not_fit_is_the_handler_s_mistake() -> None:
    life = connect(World(), 3)
    life.session.send_audio(bytes(65_535))
    with pytest.raises(ValueError, match="65535"):
        life.session.send_audio(bytes(65_536))


async def test_a_ping_in_json_is_answered_by_the_gateway_and_wakes_the_session() -> None:
    world = World(session={"idle_after_s": 5.0})
    life = world.connect()
    world.pass_time(6)
    assert life.handler.names == ["opened", "idle"]
    life.says('{"type":"ping","timestamp":1}')
    assert sent_texts(life)[-1] == {"type": "pong"}
    assert life.handler.names == ["opened", "idle", "woken"]
    life.says('{"type":"pong"}')
    assert life.handler.names == ["opened", "idle", "woken"]
    assert world.counters.messages_in == 2


async def test_a_ping_is_answered_while_the_handler_is_busy() -> None:
    life = World(make_handler=Slow).connect()
    life.says('{"type":"abort"}')
    life.says('{"type":"ping"}')
    assert sent_texts(life)[-1] == {"type": "pong"}


async def test_an_order_to_the_server_is_handed_on_and_not_obeyed() -> None:
    world = World()
    life = world.connect()
    life.says('{"type":"server","action":"restart","content":{"secret":"s3cret"}}')
    assert life.handler.calls[-1] == ("text", ServerOrder("restart"))
    assert life.connection.lifecycle.reason is None
    assert "s3cret" not in world.log_lines.getvalue()


@pytest.mark.parametrize(
    ("size", "reason"), [(65_536, None), (65_537, CloseReason.MESSAGE_TOO_BIG)]
)
async def test_once_greeted_a_device_may_say_more_than_a_hello(
    size: int, reason: CloseReason | None
) -> None:
    life = World().connect()
    life.streams(bytes(size))
    assert life.connection.lifecycle.reason is reason
