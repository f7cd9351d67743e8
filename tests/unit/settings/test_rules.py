"""The section `rules`."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings import Settings
from keepline.settings.rules import Rules


def test_the_seed_s_numbers_are_the_defaults() -> None:
    rules = Settings().rules
    assert rules.memory_bytes == 1_024 * 1_048_576
    assert (rules.cpu_percent, rules.connections, rules.queue_depth) == (80, 1_000, 500)


def test_what_is_serious_must_end_sooner() -> None:
    with pytest.raises(ValidationError, match=r"high_within_s \(60\) must be at most .* \(30\)"):
        Rules(high_within_s=60, medium_within_s=30)


@pytest.mark.parametrize(
    "wrong",
    [{"memory_bytes": 0}, {"cpu_percent": 0}, {"clear_share": 1.1}, {"trends": "line"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rules.model_validate(wrong)
