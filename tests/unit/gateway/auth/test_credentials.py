from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.gateway.auth.credentials import (
    Ids,
    check_origin,
    presented_token,
    shown_device_id,
)
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason
from keepline.settings.auth import Auth
from tests.unit.gateway.fakes import device_request

GOOD_IDS = ["02:00:00:00:00:01", "3f2c1d7a-9f6e-4a53-9a51-0f0f5f0c7b11", "a", "A.b_c-9", "x" * 128]
BAD_IDS = [
    "",
    " ",
    "-a",
    "../etc/passwd",
    "a b",
    "a\nb",
    "a\n",
    "x" * 129,
    "é",
    "a\x00",
    "a\u202eb",
]


DEFAULT = Ids(Auth())


def reads(settings: Auth, device_id: str, client_id: str = "") -> Identity:
    headers = {"device-id": device_id, "client-id": client_id}
    return Ids(settings).read(device_request(headers=headers))


@pytest.mark.parametrize("device_id", GOOD_IDS)
def test_what_may_be_an_id(device_id: str) -> None:
    request = device_request(headers={"device-id": device_id, "client-id": device_id})
    assert DEFAULT.read(request) == Identity(device_id, device_id)


@pytest.mark.parametrize("device_id", BAD_IDS)
def test_what_may_not_be_a_device_id(device_id: str) -> None:
    with pytest.raises(RefusedError) as refused:
        DEFAULT.read(device_request(headers={"device-id": device_id}))
    assert refused.value.reason.status == 403


@pytest.mark.parametrize("client_id", [bad for bad in BAD_IDS if bad])
def test_a_client_id_may_be_missing_but_not_be_nonsense(client_id: str) -> None:
    with pytest.raises(RefusedError) as refused:
        DEFAULT.read(device_request(headers={"device-id": "d", "client-id": client_id}))
    assert refused.value.reason.status == 403


MAC, UUID = GOOD_IDS[:2]


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("mac", [MAC, "AA:bb:CC:dd:EE:ff"], [UUID, f"{MAC}:02", MAC[:-1], "0200000000001", ""]),
        ("uuid", [UUID, UUID.upper()], [MAC, f"{UUID}0", UUID.replace("-", "")]),
        (r"robot-\d+", ["robot-7"], ["robot-", "a robot-7", "robot-7x", "robot-7\n"]),
    ],
)
def test_a_pattern_of_the_settings_is_for_the_whole_id(
    pattern: str, good: list[str], bad: list[str]
) -> None:
    for settings in (Auth(device_ids=pattern), Auth(client_ids=pattern)):
        is_client = settings.client_ids == pattern
        for each in good:
            assert reads(settings, *(("d", each) if is_client else (each, "c")))
        for each in filter(None, bad):
            with pytest.raises(RefusedError):
                reads(settings, *(("d", each) if is_client else (each, "c")))


@pytest.mark.parametrize("device_id", ["a b", "a\nb", "é", "x" * 129, ""])
def test_no_pattern_can_let_in_what_is_not_one_word_of_ascii(device_id: str) -> None:
    with pytest.raises(RefusedError):
        reads(Auth(device_ids=r"[\s\S]*"), device_id)
    assert reads(Auth(device_ids=r"[\s\S]*"), "a|b/c" + "x" * 123)


def test_an_id_that_is_too_long_is_not_held_against_a_slow_pattern() -> None:
    with pytest.raises(RefusedError):
        reads(Auth(device_ids=r"(a|a)*b"), "a" * 8_000)


def test_a_pattern_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="takes a regular expression"):
        Auth(device_ids="[")


def refusal(allowed: tuple[str, ...], **headers: str) -> CloseReason | None:
    try:
        check_origin(device_request(headers=headers), allowed)
    except RefusedError as error:
        return error.reason
    return None


def test_devices_send_no_origin_and_need_none() -> None:
    assert refusal(()) is None
    assert refusal(("https://app.example",)) is None


ALLOWED = ("https://app.example", "http://localhost:8006")


@pytest.mark.parametrize("origin", ALLOWED)
def test_a_page_that_is_listed_may_connect(origin: str) -> None:
    assert refusal(ALLOWED, origin=origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        *("", "null", "https://app.example/", "https://APP.example", "http://app.example"),
        *("https://app.example:443", "https://app.example.evil", "https://evil-app.example", "*"),
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    for allowed in (ALLOWED, ()):
        assert refusal(allowed, origin=origin) is CloseReason.ORIGIN_REFUSED


@pytest.mark.parametrize(
    ("value", "token"),
    [
        *(("Bearer abc", "abc"), ("bEARER  abc ", "abc"), ("Bearer", ""), ("Basic abc", "")),
        *(("abc", ""), ("", ""), ("Bearer a b", "a b"), ("Bearer é", "é")),
    ],
)
def test_what_is_presented_as_a_token(value: str, token: str) -> None:
    assert presented_token(device_request(headers={"authorization": value})) == token


def test_the_id_that_is_shown_may_stand_in_the_query() -> None:
    request = device_request(headers={}, query={"device-id": "tab"})
    assert shown_device_id(request) == "tab"
    assert shown_device_id(device_request(headers={})) == ""
