from __future__ import annotations

import re
from itertools import islice

from keepline.app.session_ids import DRAWN_AT_ONCE, ID_BYTES, session_ids


def test_an_id_is_16_hexadecimal_digits_and_there_are_no_two_alike() -> None:
    ids = list(islice(session_ids(), 3 * DRAWN_AT_ONCE))
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_every_random_byte_is_used_once() -> None:
    asked: list[int] = []

    def draw(count: int) -> bytes:
        asked.append(count)
        return bytes(number // ID_BYTES for number in range(count))

    ids = list(islice(session_ids(draw), DRAWN_AT_ONCE + 1))
    assert ids[:3] == ["00" * ID_BYTES, "01" * ID_BYTES, "02" * ID_BYTES]
    assert ids[-1] == ids[0]
    assert asked == [DRAWN_AT_ONCE * ID_BYTES] * 2
