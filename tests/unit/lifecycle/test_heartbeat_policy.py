"""What may be set, and what may not."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from keepline.lifecycle.heartbeat import HeartbeatPolicy

CHECKED = TypeAdapter(HeartbeatPolicy)


def test_each_preset_has_an_interval_of_its_own_that_may_be_set() -> None:
    assert HeartbeatPolicy().ping_every_s == 15.0
    assert HeartbeatPolicy(preset="seed").ping_every_s == 30.0
    assert HeartbeatPolicy(interval_s=20.0).ping_every_s == 20.0


def test_a_policy_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        HeartbeatPolicy().jitter = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"zombie_s": 60.0}, "zombie_s must exceed suspicious_s (60), not be 60"),
        ({"interval_s": 60.0}, "suspicious_s must exceed interval_s (60), not be 60"),
        ({"preset": "seed", "suspicious_s": 25.0}, "suspicious_s must exceed interval_s (30)"),
        ({"probe_max_s": 0.5}, "probe_max_s must be at least probe_min_s (1), not 0.5"),
        ({"streaming_silence_s": 15.0}, "streaming_silence_s must be below interval_s (15)"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match="must") as refused:
        HeartbeatPolicy(**settings)
    assert told in str(refused.value)
    with pytest.raises(ValidationError, match="must"):
        CHECKED.validate_python(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "eager"},
        {"interval_s": 0.5},
        {"suspicious_s": 0},
        {"zombie_s": -1},
        {"probe_min_s": 0.1},
        {"streaming_silence_s": 0.1},
        {"jitter": -0.01},
        {"jitter": 0.6},
    ],
)
def test_settings_outside_their_bounds_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        CHECKED.validate_python(settings)


def test_the_defaults_pass_their_own_checks() -> None:
    assert CHECKED.validate_python({}) == HeartbeatPolicy()
    assert CHECKED.validate_python({"preset": "seed"}).ping_every_s == 30.0


def test_every_bound_itself_is_allowed() -> None:
    lowest: dict[str, Any] = {
        "interval_s": 1.0,
        "suspicious_s": 1.1,
        "zombie_s": 1.2,
        "probe_min_s": 0.2,
        "probe_max_s": 0.2,
        "streaming_silence_s": 0.2,
        "jitter": 0.0,
    }
    assert CHECKED.validate_python(lowest) == HeartbeatPolicy(**lowest)
    assert CHECKED.validate_python({"jitter": 0.5}).jitter == 0.5


def test_it_is_known_how_long_after_its_last_byte_an_idle_device_is_given_up() -> None:
    assert HeartbeatPolicy().verdict_s == 15 + 5.5
    assert HeartbeatPolicy(interval_s=30, probe_min_s=2).verdict_s == 30 + 11
    assert HeartbeatPolicy(preset="seed").verdict_s == 90
