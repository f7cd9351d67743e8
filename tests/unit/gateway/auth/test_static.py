from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.gateway.auth.credentials import read_identity
from keepline.gateway.auth.static import OpenDoor, StaticToken
from keepline.gateway.identity import Identity
from tests.unit.gateway.fakes import TOKEN, device_request

GOOD_IDS = ["02:00:00:00:00:01", "3f2c1d7a-9f6e-4a53-9a51-0f0f5f0c7b11", "a", "A.b_c-9", "x" * 128]
BAD_IDS = ["", " ", "-a", "../etc/passwd", "a b", "a\nb", "x" * 129, "é", "a\x00"]


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


@pytest.mark.parametrize("device_id", GOOD_IDS)
def test_what_may_be_an_id(device_id: str) -> None:
    assert read_identity(device_request(headers={"device-id": device_id})).device_id == device_id


@pytest.mark.parametrize("device_id", BAD_IDS)
def test_what_may_not_be_a_device_id(device_id: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_identity(device_request(headers={"device-id": device_id}))
    assert refused.value.reason.status == 403


@pytest.mark.parametrize("client_id", [bad for bad in BAD_IDS if bad])
def test_a_client_id_may_be_missing_but_not_be_nonsense(client_id: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_identity(device_request(headers={"device-id": "d", "client-id": client_id}))
    assert refused.value.reason.status == 403
