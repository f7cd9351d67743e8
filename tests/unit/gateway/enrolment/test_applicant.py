from __future__ import annotations

import hmac
import json
from typing import Any

import pytest

from keepline.errors import RefusedError
from keepline.gateway.enrolment.applicant import (
    MOST_CONTAINERS,
    MOST_TEXT,
    Applicant,
    Proof,
    device_key,
    digest,
    is_random_uuid,
    read_applicant,
    read_body,
    read_proof,
)
from keepline.gateway.identity import Identity
from tests.unit.gateway.fakes import device_request

UUID4 = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f01"
KEY = bytes(range(32))


def read(body: bytes = b"{}", **headers: str) -> Applicant:
    request = device_request(
        method="POST",
        body=body,
        address="192.0.2.1",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return read_applicant(request, Identity("02:00:00:00:00:01", UUID4))


def test_what_the_firmware_says_of_itself_is_read() -> None:
    body = {
        "version": 2,
        "mac_address": "02:00:00:00:00:01",
        "application": {"name": "xiaozhi", "version": "2.0.3"},
        "partition_table": [{"label": "ota_0", "type": 0}],
        "board": {"type": "bread-compact-wifi", "name": "bread-compact-wifi-128x64"},
    }
    applicant = read(json.dumps(body).encode(), serial_number="S1")
    assert applicant == Applicant(
        device_id="02:00:00:00:00:01",
        client_id=UUID4,
        serial="S1",
        board="bread-compact-wifi-128x64",
        version="2.0.3",
        address="192.0.2.1",
    )


@pytest.mark.parametrize("body", [b"", b"{}", b'{"board": 7, "application": [1]}'])
def test_what_is_missing_or_of_another_type_is_not_missed(body: bytes) -> None:
    applicant = read(body, user_agent="bread/2.0.3")
    assert (applicant.board, applicant.version) == ("bread/2.0.3", "")


@pytest.mark.parametrize("version", ["2.0.3", "1", "1.2.3.4.5.6.7.8", "999999999"])
def test_a_version_is_given_back(version: str) -> None:
    applicant = read(json.dumps({"application": {"version": version}}).encode())
    assert applicant.version == version


@pytest.mark.parametrize(
    "version", ["1.2.3.4.5.6.7.8.9", "9999999999", "2.0.3-beta", "2..3", "", "\uff12"]
)
def test_a_version_that_would_end_the_firmware_is_not(version: str) -> None:
    """It reads each number with `stoi`, and nothing catches what that throws."""
    applicant = read(json.dumps({"application": {"version": version}}).encode())
    assert applicant.version == ""


def test_a_board_is_safe_to_show_and_short() -> None:
    applicant = read(json.dumps({"board": {"name": "\x1b[2J" + "b" * 500}}).encode())
    assert "\x1b" not in applicant.board
    assert len(applicant.board) == MOST_TEXT


def nested(containers: int) -> bytes:
    inside = containers - 1  # the object itself
    return b'{"a":' + b"[" * inside + b"]" * inside + b"}"


def test_arrays_and_objects_are_bounded_and_with_them_the_nesting() -> None:
    assert read_body(nested(MOST_CONTAINERS - 1)) != {}
    assert read_body(nested(MOST_CONTAINERS)) != {}
    with pytest.raises(RefusedError, match="too many") as refused:
        read_body(nested(MOST_CONTAINERS + 1))
    assert refused.value.reason.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"nothing",
        b"[]",
        b"7",
        b'"text"',
        b"null",
        b"{",
        b"{}{}",
        b'{"a": NaN}',
        b"\xff\xfe{}",
        b'{"a": "\xed\xa0\x80"}',
        b"\x00" * 100,
        b'{"a": ' + b"1" * 16_000,
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        read_body(body)
    assert refused.value.reason.status == 400


def test_a_serial_number_is_one_short_word() -> None:
    assert read(serial_number="S" * 64).serial == "S" * 64
    for serial in ("S" * 65, "S 1", "S\xe9"):
        with pytest.raises(RefusedError, match="Serial-Number"):
            read(serial_number=serial)


def test_a_client_id_is_kept_as_its_digest_and_shown_nowhere() -> None:
    applicant = read()
    assert UUID4 not in repr(applicant)
    assert UUID4 not in applicant.client_digest
    assert digest(UUID4.upper()) == applicant.client_digest
    assert digest(UUID4[:-1] + "2") != applicant.client_digest


def test_only_a_random_client_id_is_hard_to_guess() -> None:
    assert is_random_uuid(UUID4)
    assert not is_random_uuid("6ba7b810-9dad-51d1-80b4-00c04fd430c8")  # made from a name
    assert not is_random_uuid("5b6fcb26-3f65-4f2b-0e0a-1d3b5c7e9f01")  # of no known variant
    assert not is_random_uuid("client-1")
    assert not read().client_guessable


def test_a_mac_in_capitals_is_the_same_device() -> None:
    assert device_key("02:AB:00:00:00:01") == device_key("02:ab:00:00:00:01")


def proof_of(challenge: str, key: bytes = KEY, **changes: Any) -> dict[str, Any]:
    code = hmac.digest(key, challenge.encode(), "sha256").hex()
    body = {"algorithm": "hmac-sha256", "serial_number": "S1", "challenge": challenge, "hmac": code}
    return body | changes


def test_a_proof_holds_for_its_challenge_and_its_key_alone() -> None:
    proof = read_proof(proof_of("c1"))
    assert proof is not None
    assert proof.holds("c1", KEY)
    assert not proof.holds("c2", KEY)
    assert not proof.holds("c1", bytes(32))


def test_a_proof_of_another_challenge_that_claims_to_be_of_this_one_does_not_hold() -> None:
    proof = read_proof(proof_of("c2") | {"challenge": "c1"})
    assert proof is not None
    assert not proof.holds("c1", KEY)


def test_a_proof_needs_no_algorithm_and_may_be_in_capitals() -> None:
    body = proof_of("c1")
    del body["algorithm"]
    proof = read_proof(body | {"hmac": body["hmac"].upper()})
    assert proof == Proof("S1", body["hmac"].upper())
    assert proof.holds("c1", KEY)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "none"},
        {"algorithm": None},
        {"hmac": ""},
        {"hmac": 7},
        {"hmac": "é"},
        {"serial_number": []},
    ],
)
def test_what_is_no_proof_proves_nothing(changes: dict[str, Any]) -> None:
    assert read_proof(proof_of("c1") | changes) is None


def test_an_empty_object_is_what_a_board_without_a_serial_number_sends() -> None:
    assert read_proof({}) is None
