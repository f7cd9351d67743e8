from __future__ import annotations

import json

import pytest

from keepline.errors import LedgerError, RefusedError
from keepline.gateway.enrolment.desk import WRONG_CODE_REFILL_S, WRONG_CODES
from tests.unit.gateway.enrolment.counter import ADDRESS, CLIENT, DEVICE, OTHER_CLIENT, Counter
from tests.unit.gateway.enrolment.test_endpoint import Full


def status_of(counter: Counter, code: str) -> int | None:
    with pytest.raises(RefusedError) as refused:
        counter.desk.look(code)
    return refused.value.reason.status


async def test_whoever_approves_sees_the_device_first() -> None:
    counter = Counter()
    code = await counter.code(body={"board": {"name": "bread"}}, serial_number="S1")
    waiter = counter.desk.look(code)
    assert waiter._replace(expires_in_s=0) == (
        (code, DEVICE, "bread", "S1", ADDRESS, False, 0, None)
    )
    assert waiter.expires_in_s == 600.0
    assert CLIENT not in repr(waiter)


async def test_a_guessable_client_id_is_told() -> None:
    counter = Counter()
    assert counter.desk.look(await counter.code("client-1")).client_guessable


async def test_what_the_device_was_before_is_told() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    former = counter.desk.look(await counter.code(OTHER_CLIENT)).former
    assert former is not None
    assert not former.revoked
    await counter.desk.revoke(DEVICE)
    former = counter.desk.look(await counter.code(OTHER_CLIENT)).former
    assert former is not None
    assert former.revoked
    await counter.desk.forget(DEVICE)
    assert counter.desk.look(await counter.code(OTHER_CLIENT)).former is None


async def test_a_code_is_worth_one_approval() -> None:
    counter = Counter()
    code = await counter.code()
    await counter.desk.approve(code, DEVICE)
    with pytest.raises(RefusedError):
        await counter.desk.approve(code, DEVICE)
    assert counter.counters.enrolments == 1


async def test_a_code_approves_only_the_device_that_was_looked_at() -> None:
    counter = Counter()
    code = await counter.code()
    with pytest.raises(RefusedError) as refused:
        await counter.desk.approve(code, "02:ab:00:00:00:02")
    assert refused.value.reason.status == 404
    assert not await counter.is_told()


async def test_wrong_codes_are_counted_and_limited_and_then_the_right_one_waits_too() -> None:
    counter = Counter()
    code = await counter.code()
    for _ in range(WRONG_CODES):
        assert status_of(counter, "999999") == 404
    assert counter.counters.enrolment_codes_refused == WRONG_CODES
    assert status_of(counter, code) == 429
    counter.clock.advance(WRONG_CODE_REFILL_S)
    assert counter.desk.look(code).device_id == DEVICE


async def test_right_codes_are_not_limited() -> None:
    counter = Counter()
    code = await counter.code()
    for _ in range(WRONG_CODES + 1):
        assert counter.desk.look(code).device_id == DEVICE


async def test_who_waits_and_who_is_enrolled_is_listed() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    code = await counter.code(OTHER_CLIENT)
    assert [waiter.code for waiter in counter.desk.waiting()] == [code]
    assert [entry.device_id for entry in counter.desk.devices()] == [DEVICE]


async def test_an_approval_that_cannot_be_written_down_leaves_the_device_waiting() -> None:
    counter = Counter(Full())
    code = await counter.code()
    with pytest.raises(RefusedError) as refused:
        await counter.desk.approve(code, DEVICE)
    assert refused.value.reason.status == 503
    assert counter.desk.look(code).device_id == DEVICE
    with pytest.raises(LedgerError):
        await counter.desk.revoke(DEVICE)


async def test_what_operators_do_is_in_the_log() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    await counter.desk.revoke(DEVICE)
    await counter.desk.forget(DEVICE)
    await counter.desk.forget(DEVICE)
    events = [json.loads(line)["event"] for line in counter.lines.getvalue().splitlines()]
    assert events == [
        "device_waits_for_approval",
        "device_enrolled",
        "device_revoked",
        "device_forgotten",
    ]


async def test_who_was_never_here_cannot_be_forgotten_but_revoked() -> None:
    counter = Counter()
    assert not await counter.desk.forget(DEVICE)
    assert (await counter.desk.revoke(DEVICE)).revoked
    assert (await counter.ask())[0] == 403
