from __future__ import annotations

import msgspec
import pytest

from keepline.fleet.faults import Dying, Fault, Faults


def test_without_a_word_nothing_is_wrong() -> None:
    assert {Faults().of(fault).share for fault in Fault} == {0.0}
    assert Faults().sockets_each == 1


def test_every_fault_has_its_section() -> None:
    assert {fault.value for fault in Fault} == set(Faults.__struct_fields__)


def test_a_dead_device_s_socket_stays_beside_its_new_one() -> None:
    assert Faults(die=Dying(share=0.01)).sockets_each == 2


@pytest.mark.parametrize(
    "document",
    [
        {"dies": {}},
        {"die": {"rate": 1}},
        {"die": {"share": 1.01}},
        {"die": {"share": -0.01}},
        {"die": {"share": 0.1, "every_s": 0}},
        {"die": {"away_s": [1]}},
        {"bad_input": {"kinds": []}},
        {"bad_input": {"kinds": ["rude"]}},
        {"reset": {"during": "night"}},
    ],
)
def test_what_cannot_be_meant_is_refused(document: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Faults)


def test_shares_from_none_to_all_are_taken() -> None:
    for share in (0, 1, 0.5):
        assert msgspec.convert({"die": {"share": share}}, Faults).die.share == share
