from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from keepline.errors import LedgerError
from keepline.gateway.enrolment.ledger import Entry
from keepline.gateway.enrolment.policies import Verdict
from keepline.gateway.enrolment.waiting import MOST_WRONG_PROOFS
from tests.unit.gateway.enrolment.counter import (
    CLIENT,
    DEVICE,
    KEY,
    OTHER_CLIENT,
    Counter,
    proof,
)

KEYED = f"""
[[device]]
device_id = "{DEVICE}"
serial = "S1"
key = "{KEY.hex()}"
"""


def keyed(tmp_path: Path, policy: str = "activation", **fields: Any) -> Counter:
    path = tmp_path / "devices.toml"
    path.write_text(KEYED)
    return Counter(policy=policy, devices=path, **fields)


# -- the whole way -------------------------------------------------------------------------


async def test_a_device_waits_is_approved_asks_again_and_has_its_token() -> None:
    counter = Counter()
    status, answer = await counter.ask(body={"application": {"version": "2.0.3"}})
    assert status == 200
    assert "websocket" not in answer
    assert answer["firmware"] == {"version": "2.0.3", "url": ""}
    assert await counter.activate() == 202
    await counter.desk.approve(answer["activation"]["code"], DEVICE)
    assert await counter.activate() == 200
    status, answer = await counter.ask()
    assert status == 200
    assert "activation" not in answer
    assert answer["websocket"] == {
        "url": "ws://gateway.lan:8000/xiaozhi/v1/",
        "token": f"{DEVICE}/{CLIENT}/{counter.clock.wall()}",
        "version": 1,
    }


async def test_while_it_waits_a_device_has_one_code_however_often_it_asks() -> None:
    counter = Counter()
    codes = set()
    for _ in range(15):  # the firmware asks anew every 33 s
        codes.add(await counter.code())
        counter.clock.advance(33.0)
    assert len(codes) == 1


async def test_a_code_s_life_is_said_and_ends() -> None:
    counter = Counter(code_life_s=60.0)
    _, answer = await counter.ask()
    assert answer["activation"]["timeout_ms"] == 60_000
    counter.clock.advance(60.0)
    assert await counter.activate() == 202
    assert await counter.code() != answer["activation"]["code"]


async def test_an_approved_device_is_told_where_to_connect_at_every_boot() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    for _ in range(3):
        assert await counter.is_told()
        counter.clock.advance(86_400.0)


# -- whose token ---------------------------------------------------------------------------


async def test_posting_the_id_of_an_enrolled_device_yields_no_token() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    for client in (OTHER_CLIENT, "", CLIENT[:-1], DEVICE):
        assert not await counter.is_told(client)
    assert not await counter.is_told(CLIENT, device_id="02:ab:00:00:00:02")


async def test_who_posts_it_first_does_not_have_the_other_s_approval() -> None:
    counter = Counter()
    await counter.code(OTHER_CLIENT, address="198.51.100.1")
    await counter.desk.approve(await counter.code(), DEVICE)
    assert await counter.is_told()
    assert await counter.activate(OTHER_CLIENT) == 202
    assert not await counter.is_told(OTHER_CLIENT)


async def test_a_client_id_in_capitals_is_the_same() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    assert await counter.is_told(CLIENT.upper())


async def test_who_says_no_client_id_cannot_be_approved() -> None:
    status, detail = await Counter().ask("")
    assert (status, detail) == (400, "Client-Id is missing")


async def test_the_client_id_is_in_no_log_line() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    await counter.ask()
    assert "device_enrolled" in counter.lines.getvalue()
    assert CLIENT not in counter.lines.getvalue()


async def test_a_stranger_and_an_enrolled_device_look_the_same_to_who_posts_their_ids() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    _, known = await counter.ask(OTHER_CLIENT)
    _, stranger = await counter.ask(OTHER_CLIENT, device_id="02:ab:00:00:00:99")
    assert set(known) == set(stranger)
    assert set(known["activation"]) == set(stranger["activation"])
    assert await counter.activate(OTHER_CLIENT) == 202
    assert await counter.activate(OTHER_CLIENT, device_id="02:ab:00:00:00:98") == 202


# -- proofs --------------------------------------------------------------------------------


async def challenge(counter: Counter, client: str = CLIENT) -> str:
    _, answer = await counter.ask(client, serial_number="S1", activation_version="2")
    return str(answer["activation"]["challenge"])


@pytest.mark.parametrize("policy", ["activation", "allow_list"])
async def test_a_device_that_proves_its_key_needs_nobody(tmp_path: Path, policy: str) -> None:
    counter = keyed(tmp_path, policy)
    assert await counter.activate(body=proof(await challenge(counter))) == 200
    assert await counter.is_told()
    assert [entry.vouched_by for entry in counter.ledger] == ["proof"]


async def test_a_challenge_is_worth_one_proof_of_the_one_who_was_given_it(tmp_path: Path) -> None:
    counter = keyed(tmp_path)
    mine = proof(await challenge(counter))
    await challenge(counter, OTHER_CLIENT)
    assert await counter.activate(OTHER_CLIENT, body=mine) == 202
    assert await counter.activate(body=mine) == 200
    await counter.desk.forget(DEVICE)
    assert await counter.activate(body=mine) == 202  # overheard, and sent again
    await challenge(counter)
    assert await counter.activate(body=mine) == 202
    assert list(counter.ledger) == []


@pytest.mark.parametrize(
    "wrong", [{"key": bytes(32)}, {"serial": "S2"}, {"challenge": "0" * 64}], ids=str
)
async def test_a_wrong_proof_is_answered_as_none(tmp_path: Path, wrong: dict[str, Any]) -> None:
    counter = keyed(tmp_path)
    right = {"challenge": await challenge(counter)}
    assert await counter.activate(body=proof(**right | wrong)) == 202
    assert not await counter.is_told()


async def test_the_key_of_one_device_does_not_prove_another(tmp_path: Path) -> None:
    counter = keyed(tmp_path)
    other = "02:ab:00:00:00:02"
    _, answer = await counter.ask(device_id=other, serial_number="S1")
    body = proof(answer["activation"]["challenge"])
    assert await counter.activate(device_id=other, body=body) == 202


async def test_after_so_many_wrong_proofs_the_right_one_is_none_either(tmp_path: Path) -> None:
    counter = keyed(tmp_path)
    asked = await challenge(counter)
    for _ in range(MOST_WRONG_PROOFS):
        await counter.activate(body=proof(asked, bytes(32)))
    assert counter.counters.enrolment_proofs_refused == MOST_WRONG_PROOFS
    assert await counter.activate(body=proof(asked)) == 202
    counter.clock.advance(600.0)
    assert await counter.activate(body=proof(await challenge(counter))) == 200


async def test_before_that_the_right_one_still_counts(tmp_path: Path) -> None:
    counter = keyed(tmp_path)
    asked = await challenge(counter)
    for _ in range(MOST_WRONG_PROOFS - 1):
        await counter.activate(body=proof(asked, bytes(32)))
    assert await counter.activate(body=proof(asked)) == 200


async def test_a_proof_does_not_undo_a_revocation(tmp_path: Path) -> None:
    counter = keyed(tmp_path)
    await counter.activate(body=proof(await challenge(counter)))
    await counter.desk.revoke(DEVICE)
    asked = await challenge(counter, OTHER_CLIENT)  # its flash was erased
    assert await counter.activate(OTHER_CLIENT, body=proof(asked)) == 202
    assert counter.ledger.is_revoked(DEVICE, None)
    assert await challenge(counter, OTHER_CLIENT) == asked  # an operator may still approve it


async def test_a_device_whose_flash_was_erased_proves_itself_anew(tmp_path: Path) -> None:
    counter = keyed(tmp_path)
    ended: list[str] = []
    counter.ledger.on_void = ended.append
    await counter.activate(body=proof(await challenge(counter)))
    assert ended == []
    asked = await challenge(counter, OTHER_CLIENT)
    assert await counter.activate(OTHER_CLIENT, body=proof(asked)) == 200
    assert ended == [DEVICE]
    assert not await counter.is_told()


# -- revoked, forgotten --------------------------------------------------------------------


async def test_who_is_revoked_is_told_nothing_and_can_be_forgotten() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    await counter.desk.revoke(DEVICE)
    assert (await counter.ask())[0] == 403
    assert await counter.activate() == 403
    assert await counter.desk.forget(DEVICE)
    assert await counter.code()


async def test_a_token_issued_right_after_a_forgetting_is_not_void() -> None:
    counter = Counter()
    await counter.desk.approve(await counter.code(), DEVICE)
    await counter.desk.forget(DEVICE)
    await counter.desk.approve(await counter.code(), DEVICE)
    _, answer = await counter.ask()
    issued_at = float(answer["websocket"]["token"].rpartition("/")[2])
    assert not counter.ledger.is_revoked(DEVICE, int(issued_at))
    assert counter.ledger.is_revoked(DEVICE, int(counter.clock.wall()))


# -- limits --------------------------------------------------------------------------------


async def test_an_address_may_ask_so_often_and_then_so_often() -> None:
    counter = Counter(address_burst=2, address_refill_s=10.0)
    assert (await counter.ask(device_id="d1"))[0] == 200
    assert (await counter.ask(device_id="d2"))[0] == 200
    assert (await counter.ask(device_id="d3"))[0] == 429
    assert counter.refusal.retry_after_s == 10
    assert (await counter.ask(device_id="d3", address="192.0.2.2"))[0] == 200
    counter.clock.advance(10.0)
    assert (await counter.ask(device_id="d3"))[0] == 200


async def test_a_device_may_ask_so_often_and_then_so_often() -> None:
    counter = Counter(device_burst=2, device_refill_s=3.0)
    assert (await counter.ask())[0] == 200
    assert await counter.activate() == 202
    assert await counter.activate() == 429
    counter.clock.advance(3.0)
    assert await counter.activate() == 202


async def test_the_firmware_s_own_pace_meets_no_limit() -> None:
    counter = Counter()
    for _ in range(18):  # ten minutes
        assert (await counter.ask())[0] == 200
        for _ in range(10):
            assert await counter.activate() == 202
            counter.clock.advance(3.0)


async def test_who_posts_a_device_s_id_does_not_use_up_what_it_may_ask() -> None:
    counter = Counter(device_burst=2, device_refill_s=1_000.0)
    await counter.desk.approve(await counter.code(), DEVICE)
    for address in ("192.0.2.1", "198.51.100.1"):
        for _ in range(5):
            await counter.ask(OTHER_CLIENT, address=address)
    assert await counter.is_told()


async def test_a_neighbour_s_flood_does_not_keep_an_enrolled_device_from_its_token() -> None:
    counter = Counter(address_burst=2, address_refill_s=1_000.0)
    await counter.desk.approve(await counter.code(), DEVICE)
    for number in range(5):
        await counter.ask(device_id=f"d{number}")
    assert (await counter.ask(device_id="d9"))[0] == 429
    assert await counter.is_told()


async def test_hostile_ids_count_at_their_address_too() -> None:
    counter = Counter(address_burst=2, address_refill_s=1_000.0)
    statuses = [(await counter.ask(device_id="../etc"))[0] for _ in range(3)]
    assert statuses == [403, 403, 429]


async def test_a_flood_of_devices_from_one_address_fills_only_its_share() -> None:
    counter = Counter(pending_per_address=3)
    statuses = [(await counter.ask(device_id=f"d{number}"))[0] for number in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert (await counter.ask(address="198.51.100.1"))[0] == 200


# -- requests ------------------------------------------------------------------------------


async def test_only_post_asks_for_a_configuration_and_the_answer_says_so() -> None:
    counter = Counter()
    assert (await counter.ask(method="GET"))[0] == 405
    assert counter.refusal.allow == "POST"


async def test_a_web_page_is_refused_that_is_not_known() -> None:
    counter = Counter()
    assert (await counter.ask(origin="https://evil.example.com"))[0] == 403
    assert len(counter.enrolment.waiting) == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"device_id": ""}, 403),
        ({"device_id": "d" * 128}, 200),
        ({"device_id": "d" * 129}, 403),
        ({"device_id": "../etc"}, 403),
        ({"client": "c" * 128}, 200),
        ({"client": "c" * 129}, 403),
        ({"client": "c d"}, 403),
        ({"serial_number": "s" * 65}, 400),
        ({"body": []}, 400),
        ({"host": "gate way"}, 400),
    ],
    ids=str,
)
async def test_hostile_ids_bodies_and_headers_are_told_from_good_ones(
    change: dict[str, Any], status: int
) -> None:
    assert (await Counter().ask(**change))[0] == status


async def test_off_is_not_there() -> None:
    counter = Counter(policy="off")
    assert (await counter.ask())[0] == 404
    assert await counter.activate() == 404


async def test_open_activates_nobody() -> None:
    counter = Counter(policy="open")
    assert await counter.is_told(address="127.0.0.1", host="localhost")
    assert await counter.activate(address="127.0.0.1", host="localhost") == 404


async def test_a_callback_without_a_token_of_its_own_needs_an_issuer() -> None:
    counter = Counter(policy="callback", callback_url="http://owners.lan/", has_issuer=False)

    async def judge(*_: object) -> Any:
        return Verdict()

    counter.enrolment.policy.judge = judge  # type: ignore[union-attr, method-assign]
    assert (await counter.ask())[0] == 503
    await counter.enrolment.aclose()


# -- the ledger fails ----------------------------------------------------------------------


class Full:
    def put(self, entry: Entry) -> None:
        raise LedgerError("the disk is full")

    def load(self) -> Iterable[Entry]:
        return [Entry("02:ab:00:00:00:07", "d" * 64)]


async def test_a_proof_that_cannot_be_written_down_is_503_and_enrols_nobody(
    tmp_path: Path,
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(KEYED)
    counter = Counter(Full(), devices=path)
    assert await counter.activate(body=proof(await challenge(counter))) == 503
    assert not await counter.is_told()


async def test_what_is_kept_is_read_before_the_first_device_comes() -> None:
    counter = Counter(Full())
    await counter.enrolment.open()
    assert [entry.device_id for entry in counter.ledger] == ["02:ab:00:00:00:07"]
    assert "enrolments_are_not_kept" not in counter.lines.getvalue()


async def test_it_is_said_when_nothing_is_kept() -> None:
    counter = Counter()
    await counter.enrolment.open()
    assert "enrolments_are_not_kept" in counter.lines.getvalue()
