from __future__ import annotations

import pytest
from msgspec import json

from keepline.monitor.alerts.kept import Kept, decode, encode
from keepline.monitor.alerts.silences import Silence
from tests.unit.monitor.notifiers.notices import ALERT


def test_what_is_written_is_read_again_whole() -> None:
    kept = Kept(8, 3, (ALERT,), (ALERT,), (Silence(2, "leak", "", 1_800.5, "ann", "a note"),))
    assert decode(encode(kept)) == kept


def test_what_a_later_version_has_more_of_is_no_harm() -> None:
    memo = json.decode(encode(Kept(open=(ALERT,))))
    memo["mood"] = memo["open"][0]["mood"] = "good"
    found = decode(json.encode(memo))
    assert found is not None
    assert found.open == (ALERT,)


@pytest.mark.parametrize(
    "memo", [None, b"", b"{", b"[]", b'{"open": [1]}', b'{"next_number": "x"}']
)
def test_what_nobody_can_read_is_none(memo: bytes | None) -> None:
    assert decode(memo) is None
