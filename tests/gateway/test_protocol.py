"""The device protocol on real sockets: audio versions, browsers, and hostile words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from keepline.reasons import CloseReason
from keepline.wire.audio import pack
from keepline.wire.frames import Opcode
from tests.conftest import DEVICE_ID, TOKEN, RunningGateway
from tests.gateway.peers import (
    HELLO,
    audio,
    dial,
    heard,
    heard_audio,
    identity,
    live,
    request,
    tcp,
    text,
)
from tests.unit.gateway.fakes import Recorder
from tests.waiting import eventually

Start = Callable[..., Any]
REALTIME = '{"type":"listen","state":"start","mode":"realtime"}'
PING = '{"type":"ping"}'


def hello(**fields: Any) -> str:
    return json.dumps({"type": "hello", "transport": "websocket", **fields})


def query(**fields: str) -> str:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return "/xiaozhi/v1/?" + "&".join(f"{name}={value}" for name, value in named.items())


# -- versions ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_audio_is_echoed_in_the_version_that_header_and_hello_say(
    gateway: RunningGateway, version: int
) -> None:
    headers = identity() | {"Protocol-Version": str(version)}
    async with dial(gateway.port, headers=headers) as device:
        await device.send(hello(version=version))
        assert (await heard(device))["version"] == version
        await device.send(REALTIME)
        assert (await heard(device))["state"] == "start"
        await device.send(pack(b"\x58opus", version, 99))
        assert await heard_audio(device) == pack(b"\x58opus", version)


@pytest.mark.parametrize(
    ("header", "said", "spoken"), [("1", 3, 3), ("3", 1, 1), ("2", None, 2), (None, None, 1)]
)
async def test_the_hello_decides_where_it_says_something_else(
    gateway: RunningGateway, header: str | None, said: int | None, spoken: int
) -> None:
    headers = {name: value for name, value in identity().items() if name != "Protocol-Version"}
    if header is not None:
        headers["Protocol-Version"] = header
    async with dial(gateway.port, headers=headers) as device:
        await device.send(hello() if said is None else hello(version=said))
        assert (await heard(device))["version"] == spoken


@pytest.mark.parametrize("version", ["0", "4", "x", "1, 1"])
async def test_another_version_is_refused_in_the_upgrade(
    gateway: RunningGateway, version: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with dial(gateway.port, headers=identity() | {"Protocol-Version": version}):
            pass
    assert refused.value.response.status_code == 400
    assert b"1, 2 or 3" in refused.value.response.body


async def test_a_version_that_is_said_twice_is_refused(gateway: RunningGateway) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request().replace(b"\r\n\r\n", b"\r\nProtocol-Version: 2\r\n\r\n"))
        assert (await peer.answer())[0] == 400


async def test_the_configuration_tells_the_version_that_is_set(start_gateway: Start) -> None:
    gateway = await start_gateway(session={"audio_version": 3})
    changes = {"Upgrade": None, "Connection": None, "Content_Length": "2", "Host": "127.0.0.1"}
    async with tcp(gateway.port) as peer:
        await peer.send(request("/xiaozhi/ota/", "POST", **changes, Sec_WebSocket_Key=None) + b"{}")
        assert (await peer.answer())[0] == 200
        await peer.end()
        assert json.loads(bytes(peer._received))["websocket"]["version"] == 3


async def test_bad_packets_end_nothing(start_gateway: Start) -> None:
    gateway = await start_gateway(Recorder)
    async with dial(gateway.port) as device:
        await device.send(hello(version=2))
        await heard(device)
        for message in (b"x", pack(b"opus", 3), pack(b"opus", 2)[:-1], pack(b"a", 2) + b"b"):
            await device.send(message)
        await device.send(PING)
        assert await heard(device) == {"type": "pong"}
    assert gateway.counters.malformed_audio == 4
    assert gateway.counters.audio_in == 0


# -- browsers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [TOKEN, f"Bearer+{TOKEN}", f"Bearer%20{TOKEN}", quote_plus(f"Bearer {TOKEN}"), quote(TOKEN)],
)
async def test_a_browser_says_everything_in_its_query_and_its_own_hello(
    gateway: RunningGateway, shown: str
) -> None:
    path = query(device_id=DEVICE_ID, client_id="web_test_client", authorization=shown)
    async with dial(gateway.port, path=path, headers={}) as browser:
        fields = {"device_id": DEVICE_ID, "device_name": "Web", "device_mac": DEVICE_ID}
        await browser.send(json.dumps({"type": "hello", **fields, "token": TOKEN}))
        answer = await heard(browser)
        assert (answer["type"], answer["version"]) == ("hello", 1)
        await browser.send(PING)
        assert await heard(browser) == {"type": "pong"}
        session = gateway.node.registry.by_device(DEVICE_ID)
        assert session is not None
        assert session.client_id == "web_test_client"
        assert session.hello.device_name == "Web"
        await browser.send(b"")  # the end of a recording
    await eventually(lambda: gateway.logged("device_disconnected") != [])
    assert TOKEN not in gateway.log_lines.getvalue()
    assert gateway.counters.malformed_audio == 0


async def test_a_browser_asks_for_its_audio_version_in_the_query(gateway: RunningGateway) -> None:
    path = query(device_id=DEVICE_ID, authorization=TOKEN, protocol_version="3")
    async with dial(gateway.port, path=path, headers={}) as browser:
        await browser.send('{"type":"hello"}')
        assert (await heard(browser))["version"] == 3


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"authorization": "wrong"}, 401),
        ({"authorization": "Basic+" + TOKEN}, 401),
        ({}, 401),
        ({"authorization": TOKEN, "device_id": "not+an+id"}, 403),
        ({"authorization": TOKEN, "client_id": "%00"}, 403),
        ({"authorization": TOKEN, "protocol_version": "4"}, 400),
        ({"authorization": TOKEN, "x": "%ff"}, 400),
    ],
)
async def test_a_browser_is_refused_as_a_device_is_and_its_token_is_not_logged(
    gateway: RunningGateway, fields: dict[str, str], status: int
) -> None:
    path = query(**{"device_id": DEVICE_ID, **fields})
    with pytest.raises(InvalidStatus) as refused:
        async with dial(gateway.port, path=path, headers={}):
            pass
    assert refused.value.response.status_code == status
    log = gateway.log_lines.getvalue()
    assert "device_refused" in log
    assert TOKEN not in log
    assert "wrong" not in log.replace("missing or wrong", "")


async def test_a_header_counts_where_the_query_says_something_else(gateway: RunningGateway) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request(query(device_id="02:00:00:00:00:99", authorization="wrong")))
        assert (await peer.answer())[0] == 101
        await peer.send(text(HELLO))
        await peer.frame()
        assert gateway.node.registry.by_device(DEVICE_ID) is not None


# -- hostile words -------------------------------------------------------------------------


async def refusal_of_hello(gateway: RunningGateway, frame: bytes) -> int | None:
    """Return the close code that answers a first message; None when it is taken for a hello."""
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        assert (await peer.answer())[0] == 101
        await peer.send(frame)
        opcode, payload = await peer.frame()
        return int.from_bytes(payload[:2]) if opcode == Opcode.CLOSE else None


@pytest.mark.parametrize(("size", "code"), [(8_191, None), (8_192, None), (8_193, 1009)])
async def test_a_hello_has_a_limit_of_its_own(
    gateway: RunningGateway, size: int, code: int | None
) -> None:
    said = HELLO + " " * (size - len(HELLO))
    assert await refusal_of_hello(gateway, text(said)) == code


async def test_a_lying_length_before_the_hello_is_refused_from_the_header_alone(
    start_gateway: Start,
) -> None:
    large = 1 << 24
    gateway = await start_gateway(wire={"message_bytes": large}, inbox={"bytes": large})
    assert await refusal_of_hello(gateway, b"\x81\xff" + (1 << 23).to_bytes(8) + bytes(4)) == 1009


@pytest.mark.parametrize(
    "said",
    [
        hello(version=4),
        hello(audio_params={"sample_rate": 7_999}),
        hello(audio_params={"frame_duration": 121}),
        hello(audio_params={"channels": 3}),
        '{"type":"hello","version":' + "9" * 8_000 + "}",
        '{"type":"hello","features":' + "[" * 4_000 + "]" * 4_000 + "}",
        '{"type":"hello","features":{"a":"\\ud800"}}',
        '{"type":"hello","version":NaN}',
        '{"type":"listen","state":"start"}',
        "",
    ],
)
async def test_a_first_message_that_is_no_usable_hello_is_closed_with_1008(
    gateway: RunningGateway, said: str
) -> None:
    assert await refusal_of_hello(gateway, text(said)) == 1008
    await eventually(lambda: gateway.counters.disconnects[CloseReason.HELLO_INVALID] == 1)


async def test_audio_before_the_hello_is_closed_with_1008(gateway: RunningGateway) -> None:
    assert await refusal_of_hello(gateway, audio(b"opus")) == 1008


def padded(size: int) -> str:
    opening = '{"type":"custom","payload":"'
    return opening + "x" * (size - len(opening) - 2) + '"}'


@pytest.mark.parametrize(
    ("said", "is_read"),
    [
        ('{"type":"custom","payload":' + "[" * 499 + "]" * 499 + "}", True),
        ('{"type":"custom","payload":' + "[" * 500 + "]" * 500 + "}", False),
        ('{"type":"custom","payload":' + '{"a":' * 13_000, False),
        ('{"type":"custom","payload":[' + ",".join(["{}"] * 498) + "]}", True),
        ('{"type":"custom","payload":[' + ",".join(["{}"] * 499) + "]}", False),
        ('{"type":"custom","payload":' + "9" * 4_300 + "}", True),
        ('{"type":"custom","payload":' + "9" * 4_301 + "}", False),
        ('{"type":"custom","payload":' + "9" * 60_000 + "}", False),
        ('{"type":"custom","payload":{"a":1,"a":2}}', True),
        ('{"type":"custom","type":"abort","payload":1}', False),
        ('{"type":"custom","payload":NaN}', False),
        ('{"type":"custom","payload":1e400}', False),
        ('{"type":"custom","payload":"\\ud800"}', False),
        ('{"type":"custom","payload":"\\u0000"}', True),
        (padded(65_536), True),
    ],
)
async def test_hostile_json_is_read_or_dropped_and_the_session_lives(
    start_gateway: Start, said: str, *, is_read: bool
) -> None:
    gateway = await start_gateway(Recorder)
    async with live(gateway.port) as peer:
        await peer.send(text(said))
        await peer.send(text(PING))
        _, answer = await peer.frame()
        assert json.loads(answer) == {"type": "pong"}
        session = gateway.node.registry.by_device(DEVICE_ID)
        assert session.handler.names == ["opened", *(["text"] if is_read else [])]
    assert gateway.counters.malformed_messages == (0 if is_read else 1)


async def test_a_message_beyond_its_limit_ends_the_session(gateway: RunningGateway) -> None:
    async with live(gateway.port) as peer:
        await peer.send(text(padded(65_537)))
        assert await peer.close_code() == 1009


async def test_a_lone_surrogate_in_utf_8_is_no_text_at_all(gateway: RunningGateway) -> None:
    async with dial(gateway.port) as device:
        await device.send(HELLO)
        await heard(device)
        await device.send(b'{"type":"custom","payload":"\xed\xa0\x80"}', text=True)
        with pytest.raises(ConnectionClosed) as closed:
            await device.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007


@pytest.mark.parametrize(
    ("device_id", "status"),
    [
        ("a" * 128, 101),
        ("a" * 129, 403),
        ("a b", 403),
        ("../../etc", 403),
        ("a\u00e9", 403),
        ("a\x7f", 400),
        ("'; drop table devices", 403),
        ("", 403),
    ],
)
async def test_an_id_is_one_short_word(
    gateway: RunningGateway, device_id: str, status: int
) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request(Device_Id=device_id))
        assert (await peer.answer())[0] == status


@pytest.mark.parametrize(
    ("lines", "status"), [(64 - 9, 101), (65 - 9, 431)], ids=["at the limit", "above"]
)
async def test_header_lines_have_a_limit(gateway: RunningGateway, lines: int, status: int) -> None:
    extra = {f"X-{number}": "x" for number in range(lines)}
    async with tcp(gateway.port) as peer:
        await peer.send(request(**extra))
        assert (await peer.answer())[0] == status
