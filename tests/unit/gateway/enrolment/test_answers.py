from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.errors import RefusedError
from keepline.gateway.enrolment import answers
from keepline.gateway.enrolment.answers import Host, Moment, read_host, websocket_url
from keepline.gateway.enrolment.applicant import Applicant
from keepline.gateway.enrolment.waiting import Pending

DEVICE = Applicant("02:00:00:00:00:01", "c", version="2.0.3")
MOMENT = Moment(1_800_000_000.5, 120)


def read(response: bytes) -> tuple[int, Any]:
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("192.168.1.10", Host("192.168.1.10", None)),  # as the firmware sends it
        ("192.168.1.10:9000", Host("192.168.1.10", 9_000)),
        ("Gateway.lan", Host("gateway.lan", None)),
        ("gateway.lan.:1", Host("gateway.lan.", 1)),
        ("my_box:65535", Host("my_box", 65_535)),
        ("[fe80::1]", Host("[fe80::1]", None)),
        ("[2001:DB8::1]:9000", Host("[2001:db8::1]", 9_000)),
        ("a" * 253, Host("a" * 253, None)),
    ],
)
def test_a_host_is_read_with_or_without_its_port(header: str, host: Host) -> None:
    assert read_host(header) == host


@pytest.mark.parametrize(
    "header",
    [
        "",
        ":80",
        "gateway:",
        "gateway:0",
        "gateway:65536",
        "gateway:\uff18\uff10",
        "gateway/path",
        "user@gateway",
        "gate way",
        "gateway\r\nX: y",
        "gateway\n",
        "-gateway",
        "..",
        ".",
        "a" * 254,
        "[::1",
        "[nonsense]",
        "[:::1]",
        "[fe80::1%25eth0]",
        "fe80::1",
        "http://gateway",
        "\xe9.lan",
        "{host}",
    ],
)
def test_what_names_no_host_is_refused(header: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_host(header)
    assert refused.value.reason.status == 400


@pytest.mark.parametrize(
    ("host", "secure", "url"),
    [
        (Host("192.168.1.10", None), False, "ws://192.168.1.10:8000/xiaozhi/v1/"),
        (Host("192.168.1.10", 9_000), False, "ws://192.168.1.10:9000/xiaozhi/v1/"),
        (Host("gateway.lan", None), True, "wss://gateway.lan:8000/xiaozhi/v1/"),
        (Host("[fe80::1]", None), False, "ws://[fe80::1]:8000/xiaozhi/v1/"),
    ],
)
def test_without_a_public_url_a_device_connects_where_it_asked(
    host: Host,
    secure: bool,  # noqa: FBT001
    url: str,
) -> None:
    assert websocket_url(None, host, port=8_000, secure=secure) == url


@pytest.mark.parametrize(
    ("public_url", "url"),
    [
        ("wss://voice.example.com", "wss://voice.example.com/xiaozhi/v1/"),
        ("wss://voice.example.com/", "wss://voice.example.com/xiaozhi/v1/"),
        ("wss://voice.example.com:8443/way/in", "wss://voice.example.com:8443/way/in"),
    ],
)
def test_a_public_url_is_given_whatever_host_was_asked(public_url: str, url: str) -> None:
    assert websocket_url(public_url, Host("10.0.0.1", 80), port=8_000, secure=False) == url


def test_who_may_connect_is_told_where_with_what_and_the_time() -> None:
    status, body = read(
        answers.configured(DEVICE, "ws://gateway:1/", "a-token", MOMENT, audio_version=3)
    )
    assert status == 200
    assert body == {
        "server_time": {"timestamp": 1_800_000_000_500, "timezone_offset": 120},
        "firmware": {"version": "2.0.3", "url": ""},
        "websocket": {"url": "ws://gateway:1/", "token": "a-token", "version": 3},
    }


def test_who_has_to_be_approved_is_told_a_code_and_neither_url_nor_token() -> None:
    pending = Pending(DEVICE, "012345", "c" * 64, expires_at=700.0)
    status, body = read(answers.to_be_activated(pending, "Keepline", MOMENT, 100.0))
    assert status == 200
    assert set(body) == {"server_time", "firmware", "activation"}
    assert body["activation"] == {
        "message": "Keepline\n012345",
        "code": "012345",
        "challenge": "c" * 64,
        "timeout_ms": 600_000,
    }


def test_the_activation_says_200_when_done_and_202_until_then() -> None:
    assert read(answers.activated())[0] == 200
    assert read(answers.not_yet())[0] == 202
