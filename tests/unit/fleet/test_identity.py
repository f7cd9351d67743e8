from __future__ import annotations

import re
import uuid

import pytest

from keepline.fleet.chance import Chance
from keepline.fleet.identity import Identity, drawn_ids


def shown(token: str | None) -> str | None:
    identity = Identity(device_id="d", client_id="c", host="h", target="/", token=token)
    found = re.search(r"Authorization: (.*)\r\n", identity.upgrade("k" * 24).decode())
    return None if found is None else found[1]


@pytest.mark.parametrize(
    ("token", "header"), [(None, None), ("t", "Bearer t"), ("Basic dA==", "Basic dA==")]
)
def test_a_token_is_a_bearer_s_unless_it_says_another_kind(
    token: str | None, header: str | None
) -> None:
    assert shown(token) == header


def test_ids_are_a_local_mac_and_a_random_uuid() -> None:
    device_id, client_id = drawn_ids(Chance(1, 1))
    assert re.fullmatch("02(:[0-9a-f]{2}){5}", device_id)
    assert uuid.UUID(client_id).version == 4
    assert (device_id, client_id) == drawn_ids(Chance(1, 1))


def test_the_token_is_not_in_what_is_printed_of_an_identity() -> None:
    identity = Identity(device_id="d", client_id="c", host="h", target="/", token="secret")
    assert "secret" not in repr(identity)
