from __future__ import annotations

import json

import pytest

from keepline.fleet.configuration import MOST_WAIT_S, _is_final, _retry_after_s, request
from keepline.fleet.identity import Identity
from keepline.wire.client_handshake import Response
from keepline.wire.handshake import RequestReader
from keepline.wire.limits import Limits

IDENTITY = Identity(device_id="02:00", client_id="c", host="h", target="/", token="secret")


def answer(status: int, retry_after: str | None = None) -> Response:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Response(status, headers, b"")


def test_it_asks_as_a_board_does_and_shows_no_token() -> None:
    data = request(IDENTITY, "gateway.local", "/xiaozhi/ota/")
    asked = RequestReader(Limits()).receive(data)
    assert asked is not None
    assert (asked.method, asked.path) == ("POST", "/xiaozhi/ota/")
    assert asked.headers["device-id"] == "02:00"
    assert asked.headers["client-id"] == "c"
    assert asked.headers["host"] == "gateway.local"
    assert json.loads(asked.body)["mac_address"] == "02:00"
    assert b"secret" not in data


@pytest.mark.parametrize("status", [400, 403, 404])
def test_who_is_refused_for_good_does_not_ask_again(status: int) -> None:
    assert _is_final(answer(status))


@pytest.mark.parametrize("status", [200, 408, 429, 500, 503])
def test_who_may_ask_later_does(status: int) -> None:
    assert not _is_final(answer(status))


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [(None, 0.0), ("7", 7.0), ("0", 0.0), ("99999", MOST_WAIT_S), ("-1", 0.0), ("soon", 0.0)],
)
def test_it_waits_as_long_as_it_is_told_to_within_bounds(header: str | None, wait_s: float) -> None:
    assert _retry_after_s(answer(429, header)) == wait_s


def test_no_answer_names_no_time_to_wait() -> None:
    assert _retry_after_s(None) == 0.0
