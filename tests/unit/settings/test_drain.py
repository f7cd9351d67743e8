from __future__ import annotations

from typing import Any

import pytest

from keepline.errors import SettingsError
from keepline.settings.drain import Drain
from keepline.settings.given import settings_from

RETURNING = {"kiosk": {"match": "kiosk-*", "reconnect": "fixed", "reconnect_s": 10}}


def refused(**sections: Any) -> str:
    with pytest.raises(SettingsError) as error:
        settings_from(sections)
    return f"{error.value.problem}\n{error.value.hint}"


def test_the_seed_s_waits_are_the_defaults_and_fit_together() -> None:
    drain = settings_from({}).drain
    assert (drain.turn_s, drain.wait_s, drain.limit_s) == (15, 20, 30)
    assert (drain.unready_s, drain.rate_per_s, drain.target) == (0, None, None)


def test_what_a_supervisor_has_to_give_is_the_wait_for_balancers_and_the_limit() -> None:
    assert Drain(unready_s=60).longest_s == 90


def test_a_turn_longer_than_the_wait_is_refused_with_both_numbers() -> None:
    told = refused(drain={"turn_s": 25})
    assert "turn_s must be at most wait_s (20), not 25" in told


def test_a_rate_at_which_the_waves_never_fit_is_refused_with_the_arithmetic() -> None:
    told = refused(drain={"rate_per_s": 100}, profiles=RETURNING)
    assert "drain.rate_per_s must be at least 750, not 100" in told
    assert "15000 devices (server.max_connections) at 100 a second take 150 s" in told
    assert "profiles.kiosk comes back by itself" in told


def test_the_same_rate_is_taken_where_it_fits_or_where_no_end_has_to_be_spread() -> None:
    small = {"max_connections": 2_000}
    told = {"kiosk": {**RETURNING["kiosk"], "notice": "reconnect"}}
    for others in ({"profiles": RETURNING, "server": small}, {}, {"profiles": told}):
        settings = settings_from({"drain": {"rate_per_s": 100}, **others})
        assert settings.drain.rate_per_s == 100


def test_a_limit_in_which_the_last_cannot_end_is_refused_with_the_sum() -> None:
    told = refused(session={"closed_timeout_s": 60})
    assert "drain.limit_s must be at least 83, not 30" in told
    assert "profiles.browser.close_timeout_s (3)" in told
    assert "session.closed_timeout_s (60)" in told
    settings_from({"session": {"closed_timeout_s": 60}, "drain": {"limit_s": 83}})


def test_a_target_is_a_websocket_address() -> None:
    target = "wss://other.example/xiaozhi/v1/"
    assert Drain(target=target).target == target
    with pytest.raises(ValueError, match="pattern"):
        Drain(target="http://other.example/")
