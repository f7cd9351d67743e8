from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from keepline.settings.enrolment import Enrolment


def made(**fields: Any) -> Enrolment:
    return Enrolment.model_validate(fields)


@pytest.mark.parametrize(
    "url",
    ["ws://gateway.lan/xiaozhi/v1/", "wss://voice.example.com", "wss://[2001:db8::1]:8443/way/in"],
)
def test_a_public_url_is_one_of_a_websocket(url: str) -> None:
    assert made(public_url=url).public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.lan/",
        "wss://",
        "wss://user:secret@gateway.lan/",
        "wss://gateway.lan/?token=1",
        "wss://gateway.lan/#here",
        "wss://gateway.lan:0/",
        "wss://gateway.lan:70000/",
        "wss://[nonsense/",
        "gateway.lan",
    ],
)
def test_what_no_device_could_connect_to_is_no_public_url(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        made(public_url=url)


def test_a_callback_is_asked_over_http() -> None:
    assert made(callback_url="https://owners.example.com/enrol").callback_url
    with pytest.raises(ValidationError, match="callback_url"):
        made(callback_url="ws://owners.example.com/enrol")


def test_a_policy_has_what_it_needs() -> None:
    with pytest.raises(ValidationError, match="devices"):
        made(policy="allow_list")
    with pytest.raises(ValidationError, match="callback_url"):
        made(policy="callback")
    assert made(policy="allow_list", devices="devices.toml").devices == Path("devices.toml")


def test_a_notice_fits_a_small_screen() -> None:
    assert made(notice="n" * 64)
    for notice in ("n" * 65, "\u4e00", "", "two words"):
        with pytest.raises(ValidationError, match="notice"):
            made(notice=notice)


@pytest.mark.parametrize("minutes", [-1_440, 1_440])
def test_local_time_is_at_most_a_day_away(minutes: int) -> None:
    assert made(timezone_offset_minutes=minutes)
    with pytest.raises(ValidationError):
        made(timezone_offset_minutes=minutes + (1 if minutes > 0 else -1))


def test_far_fewer_may_wait_than_there_are_codes() -> None:
    assert made(max_pending=100_000)
    for number in (0, 100_001):
        with pytest.raises(ValidationError, match="max_pending"):
            made(max_pending=number)


def test_the_callback_s_token_is_not_shown() -> None:
    assert "geheim" not in repr(made(callback_token="geheim"))


def test_a_voice_server_is_asked_over_http() -> None:
    assert made(upstream_url="http://voice.lan:8003/xiaozhi/ota/").upstream_url
    for url in ("ws://voice.lan/", "http://user:secret@voice.lan/", "http://voice.lan/?a=b"):
        with pytest.raises(ValidationError, match="upstream_url"):
            made(upstream_url=url)


def test_the_policy_upstream_has_a_voice_server_to_ask() -> None:
    with pytest.raises(ValidationError, match="upstream_url must be set"):
        made(policy="upstream")
