from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.gateway.drain.notice import hint, notice, reason_for, return_of
from keepline.gateway.drain.plan import Return
from keepline.reasons import CloseReason
from tests.unit.gateway.drain.leaving import RETURNING, TOLD
from tests.unit.gateway.fakes import Life, World

KINDS: dict[str, Any] = {
    **RETURNING,
    "ours": {"match": "ours-*", "notice": "reconnect", "reconnect": "fixed", "reconnect_s": 10},
}


def device(profile: str = "xiaozhi") -> Life:
    world = World(profiles=KINDS)
    life = world.connect()
    life.connection.profile = world.node.settings.profiles[profile]
    return life


@pytest.mark.parametrize(
    ("profile", "comes_back", "code"),
    [
        ("xiaozhi", Return.NEVER, 1001),
        ("browser", Return.NEVER, 1001),
        ("kiosk", Return.BY_ITSELF, 1012),
        ("ours", Return.TOLD, 1012),
    ],
)
async def test_a_profile_says_how_a_device_comes_back_and_so_with_which_code_it_is_closed(
    profile: str, comes_back: Return, code: int
) -> None:
    assert return_of(device(profile).session) is comes_back
    assert reason_for(comes_back).code == code


async def test_a_device_whose_hello_says_so_can_be_told_whatever_its_profile() -> None:
    assert return_of(World().connect("device-1", TOLD).session) is Return.TOLD
    assert reason_for(Return.TOLD) is CloseReason.SERVER_RESTART


def test_a_hint_says_when_in_milliseconds_and_where_only_if_elsewhere() -> None:
    assert json.loads(hint(1.5, None)) == {"type": "reconnect", "after_ms": 1500}
    told = json.loads(hint(0.0, "wss://other.example/"))
    assert told == {"type": "reconnect", "after_ms": 0, "url": "wss://other.example/"}


async def test_a_notice_is_for_who_shows_one_and_is_in_a_conversation() -> None:
    session = device().session
    text = notice(session, "Back soon.", in_conversation=True)
    assert text is not None
    alert = json.loads(text)
    assert (alert["type"], alert["message"]) == ("alert", "Back soon.")
    assert alert["status"]
    assert alert["emotion"]
    assert notice(session, "Back soon.", in_conversation=False) is None
    assert notice(device("browser").session, "Back soon.", in_conversation=True) is None
