from __future__ import annotations

import json

import pytest

from keepline.app import parts
from keepline.app.line import MESSAGE_BYTES
from keepline.app.parts import Gathered, in_parts


@pytest.mark.parametrize("said", [{}, {"a": 1}, ["x" * 9_000], ['"\\' * 9_000, "é😀" * 9_000]])
def test_what_is_said_in_parts_is_put_together_and_each_fits_a_packet(said: object) -> None:
    gathered = Gathered()
    *before, last = in_parts(said)
    for part in before:
        assert gathered.add({"number": 7, **part}) == (False, None)
    assert gathered.add({"number": 7, **last}) == (True, said)
    assert len(gathered) == 0
    for part in (*before, last):
        packet = json.dumps({"told": "answer", "number": 1 << 60, **part})
        assert len(packet.encode()) <= MESSAGE_BYTES


def test_parts_of_several_messages_do_not_mix() -> None:
    gathered = Gathered()
    one, other = (list(in_parts([letter * 5_000])) for letter in "ab")
    assert gathered.add({"number": 1, **one[0]}) == (False, None)
    assert gathered.add({"number": 2, **other[0]}) == (False, None)
    assert gathered.add({"number": 2, **other[1]}) == (True, ["b" * 5_000])
    assert gathered.add({"number": 1, **one[1]}) == (True, ["a" * 5_000])


def test_what_is_no_message_is_none() -> None:
    assert Gathered().add({"number": 1}) == (True, None)


def test_a_message_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_CHARACTERS", 3 * parts.PART_CHARACTERS)
    gathered = Gathered()
    said = [gathered.add({"number": 1, "part": "1", "more": True}) for _ in range(4)]
    assert said == [(False, None)] * 3 + [(True, 1111)]
    assert len(gathered) == 0


def test_only_so_many_messages_are_put_together_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_GATHERED", 3)
    gathered = Gathered()
    for number in range(9):
        gathered.add({"number": number, "part": "[", "more": True})
    assert len(gathered) == 3
