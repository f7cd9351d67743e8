from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.gateway.auth.bearer import BearerToken
from keepline.gateway.auth.credentials import TOKEN_CHARACTERS, Ids
from keepline.gateway.auth.keys import FixedKeys, Key
from keepline.gateway.auth.tokens import SignedTokens
from keepline.gateway.identity import Identity
from keepline.settings.auth import Auth
from keepline.wire.handshake import Request
from tests.unit.gateway.fakes import device_request

NOW = 1_800_000_000.0
SCHEME = SignedTokens(FixedKeys((Key("a", b"s" * 16),)), ttl_s=60.0, skew_s=0.0)
GOOD = SCHEME.issue("device-1", "client-1", NOW).token


def shows(token: str, device_id: str = "device-1") -> Request:
    headers = {"authorization": f"Bearer {token}", "device-id": device_id, "client-id": "c"}
    return device_request(headers=headers)


def judge(settings: Auth | None = None, now: float = NOW) -> BearerToken:
    return BearerToken(SCHEME, Ids(settings or Auth()), lambda: now)


async def test_a_good_token_brings_its_times_along() -> None:
    identity = await judge().judge(shows(GOOD))
    assert identity == Identity("device-1", "c", NOW + 60, NOW)


@pytest.mark.parametrize(
    ("token", "device_id", "detail"),
    [
        ("", "device-1", "token missing"),
        ("x", "device-1", "token malformed"),
        (GOOD, "device-2", "issued for another device"),
        (GOOD, "", "issued for another device"),
        ("x" * TOKEN_CHARACTERS, "device-1", "token malformed"),
        ("x" * (TOKEN_CHARACTERS + 1), "device-1", "token too long"),
    ],
)
async def test_any_other_token_is_unauthorized(token: str, device_id: str, detail: str) -> None:
    with pytest.raises(RefusedError, match=detail) as refused:
        await judge().judge(shows(token, device_id))
    assert refused.value.reason.status == 401


async def test_an_expired_token_says_so() -> None:
    with pytest.raises(RefusedError, match="token expired"):
        await judge(now=NOW + 60).judge(shows(GOOD))


async def test_a_good_token_does_not_let_an_id_in_that_is_not_on_the_list() -> None:
    with pytest.raises(RefusedError) as refused:
        await judge(Auth(device_ids="mac")).judge(shows(GOOD))
    assert refused.value.reason.status == 403


async def test_a_browser_shows_both_in_its_query() -> None:
    query = {"authorization": f"Bearer {GOOD}", "device-id": "device-1"}
    identity = await judge().judge(device_request(headers={}, query=query))
    assert identity.device_id == "device-1"
