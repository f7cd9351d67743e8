"""`keepline grace`: the seconds that a supervisor has to allow."""

from __future__ import annotations

from tests.unit.cli.command_line import typed


def test_the_seconds_are_printed_alone_for_a_script_to_use() -> None:
    status, said, complaints = typed("grace")
    assert (status, complaints) == (0, "")
    assert said.strip().isdigit()


def test_settings_that_are_wrong_are_told() -> None:
    status, _, complaints = typed("grace", "--set", "drain.limit_s=soon")
    assert (status, "drain.limit_s" in complaints) == (2, True)
