"""What a peer that breaks the rules sees: why, and the end of the stream, without delay."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from keepline.gateway.handler import Handler
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from tests.conftest import DEVICE_ID, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage

KEY = bytes((1, 2, 3, 4))
RESERVED_OPCODE = 0xB
PATIENT = {"xiaozhi": {"close_timeout_s": 60.0}}  # so that no test passes thanks to the bound
HELLO = '{"type":"hello","version":1,"transport":"websocket","audio_params":{"format":"opus"}}'


class GoesOn(Handler):
    """Closes, and sends all the same."""

    def text(self, session: Session, message: DeviceMessage) -> None:
        session.close()
        session.send_text("too late")
        session.send_audio(b"too late")


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "GET /xiaozhi/v1/ HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nDevice-Id: {DEVICE_ID}\r\n"
        "Client-Id: a-client\r\nProtocol-Version: 1\r\n\r\n"
    )
    writer.write(head.encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(encode_masked(Opcode.TEXT, HELLO.encode(), KEY))
    assert b"session_id" in await reader.readuntil(b"}}")
    return reader, writer


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (encode_masked(RESERVED_OPCODE, b"", KEY), b"\x03\xea"),  # 1002
        (encode_masked(Opcode.TEXT, b"\xff", KEY), b"\x03\xef"),  # 1007
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + KEY, b"\x03\xf1"),  # 1009
    ],
    ids=["reserved opcode", "not UTF-8", "too big"],
)
async def test_a_violation_is_answered_with_its_code_and_the_end_at_once(
    start_gateway: Callable[..., Any], frame: bytes, code: bytes
) -> None:
    gateway = await start_gateway(profiles=PATIENT, drain={"limit_s": 90})
    reader, writer = await connect(gateway.port)

    writer.write(frame)

    answer = await asyncio.wait_for(reader.read(), 5)
    assert (answer[0], answer[2:4]) == (0x88, code)
    writer.close()


async def test_who_goes_on_sending_after_a_violation_still_hears_why(
    start_gateway: Callable[..., Any],
) -> None:
    gateway = await start_gateway(profiles=PATIENT, drain={"limit_s": 90})
    reader, writer = await connect(gateway.port)

    writer.write(encode_masked(RESERVED_OPCODE, b"", KEY))
    for _ in range(64):
        writer.write(bytes(65_536))
        await writer.drain()

    answer = await asyncio.wait_for(reader.read(), 5)
    assert (answer[0], answer[2:4]) == (0x88, b"\x03\xea")
    writer.close()


async def test_no_data_follows_our_close_frame(start_gateway: Callable[..., Any]) -> None:
    gateway = await start_gateway(GoesOn)
    reader, writer = await connect(gateway.port)

    writer.write(encode_masked(Opcode.TEXT, b'{"type":"abort"}', KEY))
    answer = await asyncio.wait_for(reader.read(4), 5)
    assert answer[0] == 0x88
    length = answer[1]
    rest = await asyncio.wait_for(reader.read(), 5)

    assert len(rest) == length - 2
    assert rest.decode() == CloseReason.HANDLER_CLOSED.cause
    writer.close()
