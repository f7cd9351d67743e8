from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.gateway.auth.credentials import Ids
from keepline.gateway.auth.static import OpenDoor, StaticIssuer, StaticToken
from keepline.gateway.identity import Identity
from keepline.settings.auth import Auth
from tests.unit.gateway.fakes import TOKEN, device_request


def bearer(value: str) -> dict[str, str]:
    return {"authorization": value, "device-id": "device-1", "client-id": "client-1"}


async def test_the_right_token_lets_the_device_of_the_headers_in() -> None:
    assert await StaticToken(TOKEN).judge(device_request()) == Identity("device-1", "client-1")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    request = device_request(headers=bearer(f"{scheme} {TOKEN}"))
    assert (await StaticToken(TOKEN).judge(request)).device_id == "device-1"


@pytest.mark.parametrize(
    "value", ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", "Bearer é"]
)
async def test_any_other_authorization_is_unauthorized(value: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await StaticToken(TOKEN).judge(device_request(headers=bearer(value)))
    assert refused.value.reason.status == 401
    assert TOKEN not in refused.value.detail


async def test_who_has_no_token_does_not_learn_whether_its_id_would_do() -> None:
    with pytest.raises(RefusedError) as refused:
        await StaticToken(TOKEN).judge(device_request(headers={"device-id": "no id!"}))
    assert refused.value.reason.status == 401


async def test_a_browser_puts_the_same_names_into_the_query() -> None:
    request = device_request(
        headers={"host": "gateway"},
        query={"authorization": f"Bearer {TOKEN}", "device-id": "tab", "client-id": "browser"},
    )
    assert await StaticToken(TOKEN).judge(request) == Identity("tab", "browser")


async def test_a_header_counts_before_the_query() -> None:
    request = device_request(query={"device-id": "other", "authorization": "Bearer wrong"})
    assert (await StaticToken(TOKEN).judge(request)).device_id == "device-1"


async def test_the_open_door_asks_for_no_token_but_for_an_id() -> None:
    assert (await OpenDoor().judge(device_request(headers={"device-id": "d"}))).client_id == ""
    with pytest.raises(RefusedError) as refused:
        await OpenDoor().judge(device_request(headers={}))
    assert refused.value.reason.status == 403


def test_the_fleet_s_token_is_issued_to_everybody_and_for_ever() -> None:
    issued = StaticIssuer(TOKEN).issue("device-1", "client-1", 5.0)
    assert (issued.token, issued.expires_at) == (TOKEN, None)


@pytest.mark.parametrize("value", ["Bearer " + "x" * 8_000, "Bearer \udcff", "Bearer \x00"])
async def test_odd_tokens_are_unauthorized_like_others(value: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await StaticToken(TOKEN).judge(device_request(headers=bearer(value)))
    assert refused.value.reason.status == 401


async def test_the_patterns_of_the_settings_hold_here_too() -> None:
    for judge in (
        StaticToken(TOKEN, Ids(Auth(device_ids="mac"))),
        OpenDoor(Ids(Auth(device_ids="mac"))),
    ):
        with pytest.raises(RefusedError) as refused:
            await judge.judge(device_request())
        assert refused.value.reason.status == 403
