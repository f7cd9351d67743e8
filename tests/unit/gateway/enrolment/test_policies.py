from __future__ import annotations

import asyncio
import socket
from io import StringIO
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.errors import RefusedError
from keepline.gateway.enrolment.allow_list import AllowList, Known
from keepline.gateway.enrolment.applicant import Applicant, digest
from keepline.gateway.enrolment.ledger import Ledger, Memory
from keepline.gateway.enrolment.policies import FORWARDED, Approval, Open, Policy, Verdict
from keepline.log import Log
from tests.unit.gateway.fakes import device_request

DEVICE = "02:ab:00:00:00:01"
TOKEN, ACTIVATE = Verdict(), Verdict(activate=True)


def in_file(*known: Known) -> AllowList:
    """Return an allow-list as if read from a file of these."""
    lines = Log(StringIO(), ManualClock(), style="json")
    devices = AllowList(None, lines, None)
    devices._known = {entry.device_id: entry for entry in known}
    return devices


def ledger() -> Ledger:
    return Ledger(Memory(), asyncio.get_running_loop(), None)


def applicant(client: str = "mine", device_id: str = DEVICE) -> Applicant:
    return Applicant(device_id, client)


async def judged(
    policy: Policy, client: str = "mine", device_id: str = DEVICE, **changes: Any
) -> Verdict | int | None:
    """Return what the policy said, the status where it refused."""
    fields: dict[str, Any] = {"address": "127.0.0.1", "headers": {"host": "localhost"}}
    try:
        return await policy.judge(applicant(client, device_id), device_request(**fields | changes))
    except RefusedError as error:
        return error.reason.status


# -- open ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.2:80", "[::1]", "localhost."]
)
async def test_open_answers_who_asks_this_machine_by_a_name_of_its_own(host: str) -> None:
    policy = Open(ledger(), insecure=False)
    assert await judged(policy, headers={"host": host}) == TOKEN


async def test_open_answers_to_the_machine_s_own_name() -> None:
    policy = Open(ledger(), insecure=False)
    assert await judged(policy, headers={"host": socket.gethostname()}) == TOKEN


@pytest.mark.parametrize("host", ["evil.example.com", "192.0.2.1", "localhost.evil.example.com"])
async def test_a_name_that_was_made_to_lead_here_gets_nothing(host: str) -> None:
    assert await judged(Open(ledger(), insecure=False), headers={"host": host}) == 403


@pytest.mark.parametrize("header", sorted(FORWARDED))
async def test_open_does_not_answer_through_a_proxy(header: str) -> None:
    headers = {"host": "localhost", header: "192.0.2.1"}
    assert await judged(Open(ledger(), insecure=False), headers=headers) == 403


@pytest.mark.parametrize("address", ["192.0.2.1", "", "::ffff:192.0.2.1"])
async def test_open_does_not_answer_another_machine(address: str) -> None:
    assert await judged(Open(ledger(), insecure=False), address=address) == 403


async def test_insecure_opens_it_to_everybody_but_the_revoked() -> None:
    book = ledger()
    policy = Open(book, insecure=True)
    away: dict[str, Any] = {
        "address": "192.0.2.1",
        "headers": {"host": "gateway.lan", "via": "a proxy"},
    }
    assert await judged(policy, **away) == TOKEN
    await book.revoke(DEVICE, 0.0)
    assert await judged(policy, **away) == 403


# -- activation ----------------------------------------------------------------------------


async def test_a_stranger_is_to_be_approved() -> None:
    assert await judged(Approval(ledger(), in_file(), listed_only=False)) == ACTIVATE


async def test_who_was_vouched_for_has_a_token_and_another_client_has_not() -> None:
    book = ledger()
    await book.enrol(applicant(), "operator", 0.0)
    policy = Approval(book, in_file(), listed_only=False)
    assert await judged(policy) == TOKEN
    assert await judged(policy, "theirs") == ACTIVATE


async def test_who_was_revoked_is_refused_and_another_client_learns_nothing_of_it() -> None:
    book = ledger()
    await book.enrol(applicant(), "operator", 0.0)
    await book.revoke(DEVICE, 0.0)
    policy = Approval(book, in_file(), listed_only=False)
    assert await judged(policy) == 403
    assert await judged(policy, "theirs") == ACTIVATE


async def test_a_client_in_the_file_needs_no_approval() -> None:
    policy = Approval(ledger(), in_file(Known(DEVICE, digest("mine"))), listed_only=False)
    assert await judged(policy) == TOKEN
    assert await judged(policy, "theirs") == ACTIVATE


async def test_the_file_does_not_overrule_a_revocation() -> None:
    book = ledger()
    await book.enrol(applicant("theirs"), "operator", 0.0)
    await book.revoke(DEVICE, 0.0)
    for listed_only in (True, False):
        devices = in_file(Known(DEVICE, digest("mine")))
        policy = Approval(book, devices, listed_only=listed_only)
        assert await judged(policy) == 403


# -- allow list ----------------------------------------------------------------------------


def listed(*known: Known) -> Approval:
    return Approval(ledger(), in_file(*known), listed_only=True)


async def test_who_is_not_in_the_file_is_refused() -> None:
    assert await judged(listed()) == 403


async def test_a_client_in_the_file_has_a_token_and_no_other() -> None:
    policy = listed(Known(DEVICE, digest("mine")))
    assert await judged(policy) == TOKEN
    assert await judged(policy, "theirs") == 403


async def test_a_bare_id_in_the_file_yields_no_token_before_its_approval() -> None:
    policy = listed(Known(DEVICE))
    assert await judged(policy) == ACTIVATE
    await policy._ledger.enrol(applicant(), "operator", 0.0)
    assert await judged(policy) == TOKEN
    assert await judged(policy, "theirs") == ACTIVATE


async def test_an_id_with_a_key_in_the_file_may_prove_it() -> None:
    policy = listed(Known(DEVICE, digest("mine"), "S1", b"k" * 32))
    assert await judged(policy) == TOKEN
    assert await judged(policy, "after its flash was erased") == ACTIVATE


async def test_who_left_the_file_is_refused_though_it_was_enrolled() -> None:
    book = ledger()
    await book.enrol(applicant(), "operator", 0.0)
    assert await judged(Approval(book, in_file(), listed_only=True)) == 403


async def test_an_id_in_capitals_is_in_the_file_too() -> None:
    policy = listed(Known(DEVICE, digest("mine")))
    assert await judged(policy, device_id=DEVICE.upper()) == TOKEN
