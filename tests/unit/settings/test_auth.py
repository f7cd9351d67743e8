from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from keepline.settings.auth import ID_PATTERNS, Auth


@pytest.mark.parametrize("pattern", ["any", "mac", "uuid", r"robot-\d{4}", ""])
def test_a_preset_or_a_regular_expression_is_a_pattern(pattern: str) -> None:
    assert Auth(device_ids=pattern, client_ids=pattern).device_ids == pattern


@pytest.mark.parametrize("pattern", ["[", "(", "*", "(?P<n"])
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    for name in ("device_ids", "client_ids"):
        with pytest.raises(ValidationError, match="takes a regular expression"):
            Auth.model_validate({name: pattern})


def test_the_presets_are_regular_expressions_themselves() -> None:
    assert all(re.compile(pattern) for pattern in ID_PATTERNS.values())


def test_secrets_are_not_shown() -> None:
    settings = Auth(token="s3cret", keys=("a:s3cret",), callback_url="http://u:s3cret@x/")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "at", "below"),
    [
        *(("clock_skew_s", 0, -1), ("expiry_grace_s", 0, -1), ("callback_cache_s", 0, -1)),
        *(("device_failures", 1, 0), ("address_failures", 1, 0), ("callback_requests", 1, 0)),
    ],
)
def test_a_limit_is_taken_and_below_it_is_refused(name: str, at: int, below: int) -> None:
    assert getattr(Auth.model_validate({name: at}), name) == at
    with pytest.raises(ValidationError):
        Auth.model_validate({name: below})
