from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from keepline.errors import LedgerError
from keepline.gateway.enrolment.applicant import Applicant
from keepline.gateway.enrolment.ledger import Entry, Ledger, Memory

NOW = 1_800_000_000.4
DEVICE = "02:ab:00:00:00:01"


class Disk(Memory):
    """Keeps what was put, until it is full."""

    def __init__(self) -> None:
        self.kept: dict[str, Entry] = {}
        self.full = False

    def load(self) -> Iterable[Entry]:
        return list(self.kept.values())

    def put(self, entry: Entry) -> None:
        if self.full:
            raise LedgerError("the disk is full")
        self.kept[entry.device_id] = entry


def ledger(store: Memory | None = None) -> Ledger:
    return Ledger(store or Memory(), asyncio.get_running_loop(), None)


def device(client: str = "mine", device_id: str = DEVICE) -> Applicant:
    return Applicant(device_id, client, board="bread", address="192.0.2.1")


async def test_who_was_vouched_for_is_enrolled_and_nobody_else() -> None:
    book = ledger()
    assert not book.is_enrolled(device())
    await book.enrol(device(), "operator", NOW)
    assert book.is_enrolled(device())
    assert book.is_enrolled(device(device_id=DEVICE.upper()))
    assert not book.is_enrolled(device("theirs"))
    assert not book.is_enrolled(device(device_id="02:ab:00:00:00:02"))
    assert [entry.vouched_by for entry in book] == ["operator"]


async def test_the_next_client_of_a_device_takes_the_place_of_the_former_and_voids_its_tokens() -> (
    None
):
    book = ledger()
    await book.enrol(device(), "operator", NOW)
    assert not book.is_revoked(DEVICE, NOW - 1_000)
    await book.enrol(device("theirs"), "operator", NOW + 10)
    assert not book.is_enrolled(device())
    assert book.is_revoked(DEVICE, NOW + 10)  # the moment itself, to the whole second
    assert not book.is_revoked(DEVICE, book.issue_at(DEVICE, NOW + 10))
    assert book.issue_at(DEVICE, NOW + 60) == NOW + 60


async def test_the_same_client_vouched_for_again_keeps_its_tokens() -> None:
    book = ledger()
    await book.enrol(device(), "operator", NOW)
    await book.enrol(device(), "proof", NOW + 10)
    assert not book.is_revoked(DEVICE, NOW)


async def test_who_is_revoked_has_no_valid_token_whenever_it_was_issued() -> None:
    book = ledger()
    await book.enrol(device(), "operator", NOW)
    await book.revoke(DEVICE.upper(), NOW)
    assert not book.is_enrolled(device())
    assert book.is_barred(device())
    assert book.is_revoked(DEVICE, NOW + 1_000)
    assert book.is_revoked(DEVICE, None)


async def test_another_client_of_a_revoked_device_is_a_stranger_and_not_barred() -> None:
    book = ledger()
    await book.enrol(device(), "operator", NOW)
    await book.revoke(DEVICE, NOW)
    assert not book.is_barred(device("theirs"))
    assert not book.is_enrolled(device("theirs"))


async def test_who_was_never_known_can_be_revoked_as_every_client() -> None:
    book = ledger()
    await book.revoke(DEVICE, NOW)
    assert book.is_barred(device())
    assert book.is_barred(device("theirs"))
    assert [entry.revoked for entry in book] == [True]


async def test_who_was_revoked_and_vouched_for_again_has_new_tokens_but_not_the_old_ones() -> None:
    book = ledger()
    await book.enrol(device(), "operator", NOW)
    await book.revoke(DEVICE, NOW + 5)
    await book.enrol(device(), "operator", NOW + 20)
    assert book.is_enrolled(device())
    assert book.is_revoked(DEVICE, NOW)
    assert not book.is_revoked(DEVICE, NOW + 20)
    assert not book.is_revoked(DEVICE, None)


async def test_a_proof_does_not_undo_a_revocation_that_came_in_between() -> None:
    book = ledger()
    _, entry = await asyncio.gather(book.revoke(DEVICE, NOW), book.enrol(device(), "proof", NOW))
    assert entry is None
    assert book.is_revoked(DEVICE, None)


async def test_who_is_forgotten_is_a_stranger_whose_tokens_stay_void() -> None:
    book = ledger()
    await book.enrol(device(), "operator", NOW)
    assert await book.forget(DEVICE, NOW)
    assert not book.is_enrolled(device())
    assert not book.is_barred(device())
    assert book.is_revoked(DEVICE, NOW)
    assert not book.is_revoked(DEVICE, NOW + 1)
    assert not book.is_revoked(DEVICE, None)
    assert list(book) == []
    assert not await book.forget(DEVICE, NOW)
    assert not await book.forget("a-stranger", NOW)


async def test_who_was_never_here_is_not_revoked() -> None:
    assert not ledger().is_revoked(DEVICE, 0.0)
    assert not ledger().is_revoked(DEVICE, None)


async def test_what_the_store_has_is_read_when_it_is_opened() -> None:
    disk = Disk()
    await ledger(disk).enrol(device(), "operator", NOW)
    later = ledger(disk)
    assert not later.is_enrolled(device())
    await later.open()
    assert later.is_enrolled(device())


async def test_an_enrolment_that_could_not_be_written_has_not_happened() -> None:
    disk = Disk()
    book = ledger(disk)
    disk.full = True
    with pytest.raises(LedgerError):
        await book.enrol(device(), "operator", NOW)
    assert not book.is_enrolled(device())


async def test_a_forgetting_that_could_not_be_written_has_not_happened() -> None:
    disk = Disk()
    book = ledger(disk)
    await book.enrol(device(), "operator", NOW)
    disk.full = True
    with pytest.raises(LedgerError):
        await book.forget(DEVICE, NOW)
    assert book.is_enrolled(device())


async def test_a_revocation_holds_at_once_even_when_it_could_not_be_written() -> None:
    disk = Disk()
    book = ledger(disk)
    await book.enrol(device(), "operator", NOW)
    disk.full = True
    with pytest.raises(LedgerError):
        await book.revoke(DEVICE, NOW)
    assert book.is_revoked(DEVICE, None)


async def test_changes_of_one_device_happen_one_after_the_other() -> None:
    disk = Disk()
    book = ledger(disk)
    await asyncio.gather(
        book.enrol(device(), "operator", NOW),
        book.revoke(DEVICE, NOW),
        book.enrol(device("theirs"), "operator", NOW),
    )
    assert list(book) == list(disk.kept.values())
    assert book.is_enrolled(device("theirs"))


async def test_what_another_process_has_written_is_read_again_and_void_what_it_revoked() -> None:
    disk = Disk()
    mine, theirs = ledger(disk), ledger(disk)
    voided: list[str] = []
    mine.on_void = voided.append
    await mine.enrol(device(), "operator", NOW)
    await mine.enrol(device(device_id="02:ab:00:00:00:02"), "operator", NOW)
    await theirs.open()
    await theirs.revoke(DEVICE, NOW)
    await theirs.revoke("stranger", NOW)
    await mine.reopen()
    assert voided == [DEVICE, "stranger"]
    assert not mine.is_enrolled(device())
    assert mine.is_enrolled(device(device_id="02:ab:00:00:00:02"))
    await mine.reopen()
    assert len(voided) == 2
