from __future__ import annotations

import getpass

import pytest

from keepline.cli.typed import me, seconds
from keepline.errors import StartError


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400)]
)
def test_a_time_is_typed_with_its_unit(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "0s", "-1h", "1.5h", "1w", "٣h", "h"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(StartError, match="is no time"):
        seconds(text)


def test_who_has_no_name_here_is_nobody_in_particular(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert me() == ""
