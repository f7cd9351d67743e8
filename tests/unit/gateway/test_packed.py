from __future__ import annotations

import sys

import pytest

from keepline.gateway.packed import (
    claim_of,
    client_id_of,
    outcome_of,
    pack,
    session_id_of,
    with_claim_and_outcome,
)
from keepline.hub.port import Outcome

UUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
MOST = (1 << 46) - 1


@pytest.mark.parametrize("session_id", ["0123456789abcdef", "0" * 16, "f" * 16])
@pytest.mark.parametrize("client_id", [UUID, f"{0:08x}-0000-0000-0000-{1:012x}"])
def test_ids_of_the_usual_form_are_one_number_and_come_out_as_they_were(
    session_id: str, client_id: str
) -> None:
    packed = pack(7, Outcome.EXPIRED, session_id, client_id)
    assert isinstance(packed, int)
    assert (session_id_of(packed), client_id_of(packed)) == (session_id, client_id)
    assert (claim_of(packed), outcome_of(packed)) == (7, Outcome.EXPIRED)
    other = with_claim_and_outcome(packed, MOST, Outcome.RESUMED)
    assert (session_id_of(other), client_id_of(other)) == (session_id, client_id)
    assert (claim_of(other), outcome_of(other)) == (MOST, Outcome.RESUMED)


@pytest.mark.parametrize(
    ("session_id", "client_id"),
    [
        ("session-1", UUID),
        ("0123456789ABCDEF", UUID),
        ("0123456789abcdef", ""),
        ("0123456789abcdef", UUID.upper()),
        ("0123456789abcdef", UUID.replace("-", "")),
        ("0123456789abcdef", f"{UUID}\n"),
        ("0123456789abcde٣", UUID),
    ],
)
def test_ids_of_another_form_are_kept_as_they_are(session_id: str, client_id: str) -> None:
    packed = pack(7, Outcome.EXPIRED, session_id, client_id)
    assert (session_id_of(packed), client_id_of(packed)) == (session_id, client_id)
    assert (claim_of(packed), outcome_of(packed)) == (7, Outcome.EXPIRED)
    other = with_claim_and_outcome(packed, MOST, Outcome.RESUMED)
    assert (session_id_of(other), client_id_of(other)) == (session_id, client_id)
    assert (claim_of(other), outcome_of(other)) == (MOST, Outcome.RESUMED)


def test_the_number_takes_no_more_than_a_piece_of_64_bytes() -> None:
    assert sys.getsizeof(pack(MOST, Outcome.EXPIRED, "f" * 16, f"ffffffff{UUID[8:]}")) <= 64 - 8
