"""Every number among the settings has an end: beyond it there is advice, never a traceback."""

from __future__ import annotations

import pytest

from keepline.cli.configuration import load
from keepline.cli.known import Known, known_settings
from keepline.errors import SettingsError

NUMBERS = {
    name: known
    for name, known in known_settings().items()
    if not isinstance(known.default, bool) and "number" in known.allowed
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["9" * 18, "1e300", "-1e300", "inf", "nan", "9" * 5_000])
def test_an_absurd_number_is_refused_with_its_bounds(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(assignments=[f"{name}={value}"])
    assert name in error.value.problem
    assert NUMBERS[name].allowed in error.value.hint


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("server.port", 65_535),
        ("server.backlog", 65_535),
        ("server.kernel_timeout_s", 86_400),
        ("session.idle_after_s", 31_536_000),
        ("server.max_connections", 1_000_000_000),
        ("session.snapshot_bytes", 65_536),
        ("hub.resume_window_s", 2_592_000),
        ("hub.keep_s", 315_360_000),
        ("hub.events", 100_000_000),
        ("hub.bytes", 1 << 40),
    ],
)
def test_the_end_itself_is_allowed_and_one_more_is_not(name: str, most: int) -> None:
    load(assignments=[f"{name}={most - 1}"])
    load(assignments=[f"{name}={most}"])
    with pytest.raises(SettingsError, match=name):
        load(assignments=[f"{name}={most + 1}"])


def test_there_are_numbers_to_be_bounded() -> None:
    assert len(NUMBERS) > 30
    assert all(isinstance(known, Known) for known in NUMBERS.values())
