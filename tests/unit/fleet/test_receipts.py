from __future__ import annotations

from keepline.fleet.receipts import MOST_KEPT, Receipts


def test_an_id_is_new_once() -> None:
    receipts = Receipts()
    assert receipts.is_new("a")
    assert receipts.is_new("b")
    assert not receipts.is_new("a")


def test_the_oldest_of_too_many_ids_is_forgotten() -> None:
    receipts = Receipts()
    for number in range(MOST_KEPT + 1):
        assert receipts.is_new(str(number))
    assert not receipts.is_new("1")
    assert receipts.is_new("0")
