from __future__ import annotations

from typing import Any

import pytest

from keepline.errors import RefusedError
from keepline.gateway.auth.contract import NobodyRevoked, Revocations
from keepline.gateway.auth.gate import Gate
from keepline.gateway.auth.static import StaticToken
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason
from keepline.settings.auth import Auth
from keepline.wire.handshake import Request
from tests.unit.gateway.fakes import TOKEN, device_request

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class World:
    """A gate before a static token, with a clock moved by hand."""

    def __init__(self, revocations: Revocations | None = None, **settings: Any) -> None:
        self.now = 1_000.0
        self.judge = Counting()
        limits = {"device_failures": 3, "device_refill_s": 30, "address_failures": 5, **settings}
        self.gate = Gate(
            self.judge,
            Auth.model_validate(limits),
            revocations or NobodyRevoked(),
            lambda: self.now,
        )

    async def tries(
        self, token: str = "wrong", device_id: str = "device-1", address: str = HOME
    ) -> int:
        """Return the status this attempt is answered with."""
        try:
            await self.gate.judge(attempt(token, device_id, address))
        except RefusedError as error:
            self.refusal = error
            return error.reason.status or 0
        return 101


class Counting(StaticToken):
    """Counts how often it was really asked."""

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self.asked = 0

    async def judge(self, request: Request) -> Identity:
        self.asked += 1
        return await super().judge(request)


class Ledger:
    """Revokes one device's tokens of a time before."""

    def __init__(self, device_id: str, before: float) -> None:
        self.device_id, self.before = device_id, before

    def is_revoked(self, device_id: str, issued_at: float | None) -> bool:
        return device_id == self.device_id and (issued_at is None or issued_at < self.before)


def attempt(token: str, device_id: str = "device-1", address: str = HOME) -> Request:
    headers = {"authorization": f"Bearer {token}", "device-id": device_id}
    return device_request(headers=headers, address=address)


async def test_below_the_limit_of_a_device_the_right_token_is_let_in() -> None:
    world = World()
    assert [await world.tries() for _ in range(2)] == [401, 401]
    assert await world.tries(TOKEN) == 101


async def test_at_the_limit_it_is_429_before_anybody_is_asked() -> None:
    world = World()
    assert [await world.tries() for _ in range(5)] == [401, 401, 401, 429, 429]
    assert world.judge.asked == 3
    assert world.refusal.reason is CloseReason.RATE_LIMITED
    assert world.refusal.retry_after_s == 30
    assert await world.tries(TOKEN) == 429  # from where the failures came


async def test_after_its_time_it_may_fail_once_more() -> None:
    world = World()
    for _ in range(3):
        await world.tries()
    world.now += 29.5
    assert await world.tries() == 429
    assert world.refusal.retry_after_s == 1
    world.now += 0.5
    assert await world.tries() == 401
    assert await world.tries() == 429


async def test_a_success_gives_the_device_all_its_attempts_back() -> None:
    world = World(address_failures=100)
    for _ in range(3):
        assert [await world.tries() for _ in range(2)] == [401, 401]
        assert await world.tries(TOKEN) == 101


async def test_nobody_locks_a_device_out_by_failing_with_its_id_from_elsewhere() -> None:
    world = World()
    for _ in range(20):
        await world.tries(address=ELSEWHERE)
    assert await world.tries(address=ELSEWHERE) == 429
    assert await world.tries(TOKEN, address=HOME) == 101


async def test_one_broken_device_does_not_lock_out_its_house() -> None:
    world = World()
    for _ in range(50):
        await world.tries(device_id="broken")
    assert await world.tries(device_id="broken") == 429
    assert await world.tries(TOKEN, device_id="device-2") == 101


async def test_an_address_that_tries_many_ids_meets_its_limit() -> None:
    world = World()
    statuses = [await world.tries(device_id=f"device-{number}") for number in range(7)]
    assert statuses == [401, 401, 401, 401, 401, 429, 429]
    assert world.judge.asked == 5
    assert await world.tries(TOKEN, device_id="new") == 429
    assert await world.tries(TOKEN, device_id="new", address=ELSEWHERE) == 101


async def test_a_success_does_not_pay_for_the_failures_of_its_address() -> None:
    world = World()
    for number in range(5):
        await world.tries(device_id=f"device-{number}")
        if number < 4:
            assert await world.tries(TOKEN, device_id="own") == 101
    assert await world.tries(device_id="next") == 429


async def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    world = World()
    for number in range(5):
        await world.tries(device_id=f"d{number}", address=f"2001:db8::{number}")
    assert await world.tries(address="2001:db8::ffff") == 429
    assert await world.tries(address="2001:db8:0:1::1") == 401


async def test_ids_that_are_none_are_failures_of_their_address() -> None:
    world = World()
    statuses = [await world.tries(TOKEN, device_id=f"bad id {number}") for number in range(6)]
    assert statuses == [403] * 5 + [429]


@pytest.mark.parametrize("reason", [CloseReason.AUTH_UNAVAILABLE, CloseReason.FULL])
async def test_what_is_not_the_device_s_fault_counts_for_nothing(reason: CloseReason) -> None:
    class Unable:
        async def judge(self, request: Request) -> Identity:
            raise RefusedError("not now", reason)

    world = World()
    world.gate.authenticator = Unable()
    assert [await world.tries() for _ in range(9)] == [503] * 9


async def test_while_nobody_fails_nothing_is_kept() -> None:
    world = World()
    for number in range(50):
        await world.tries(TOKEN, device_id=f"device-{number}")
    assert len(world.gate._devices) == len(world.gate._addresses) == 0


async def test_who_failed_long_ago_is_forgotten() -> None:
    world = World(device_refill_s=30, address_refill_s=1)
    await world.tries()
    world.now += 89.9
    world.gate.each_second()
    assert (len(world.gate._devices), len(world.gate._addresses)) == (1, 0)
    world.now += 0.1
    world.gate.each_second()
    assert len(world.gate._devices) == 0


async def test_an_endless_id_takes_no_more_memory_than_a_long_one() -> None:
    world = World()
    await world.tries(device_id="x" * 8_000)
    assert all(len(key) < 200 for key in world.gate._devices._buckets)


async def test_an_unknown_origin_is_refused_before_all_else_and_is_no_failure() -> None:
    world = World(origins=("https://app.example",))
    for _ in range(9):
        with pytest.raises(RefusedError) as refused:
            await world.gate.judge(device_request(headers={"origin": "https://evil.example"}))
        assert refused.value.reason is CloseReason.ORIGIN_REFUSED
    assert world.judge.asked == 0
    assert await world.tries(TOKEN) == 101


async def test_the_revoked_are_unauthorized_and_limited_as_failures() -> None:
    world = World(Ledger("device-1", 0.0))
    assert [await world.tries(TOKEN) for _ in range(4)] == [401, 401, 401, 429]
    assert await world.tries(TOKEN, device_id="device-2") == 101


async def test_a_token_issued_after_the_revocation_is_good() -> None:
    class Dated:
        issued_at = 5.0

        async def judge(self, request: Request) -> Identity:
            return Identity("device-1", "", issued_at=self.issued_at)

    world = World(Ledger("device-1", 6.0))
    world.gate.authenticator = dated = Dated()
    assert await world.tries() == 401
    dated.issued_at = 6.0
    assert await world.tries() == 101


async def test_an_authenticator_is_closed_and_forgets_where_it_can() -> None:
    class Remembering(StaticToken):
        told: list[str]

        def forget(self, device_id: str) -> None:
            self.told.append(device_id)

        async def aclose(self) -> None:
            self.told.append("closed")

    world = World()
    world.gate.forget("device-1")  # a plain one can neither
    await world.gate.aclose()
    world.gate.authenticator = remembering = Remembering(TOKEN)
    remembering.told = []
    world.gate.forget("device-1")
    await world.gate.aclose()
    assert remembering.told == ["device-1", "closed"]
