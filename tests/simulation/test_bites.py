"""The simulation finds what is planted in the real code, and nothing where nothing is planted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from keepline.simulation.faults import Fault, Mixture
from keepline.simulation.run import simulate
from keepline.simulation.world import ROUGH
from tests.simulation import planted

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = range(1, 13)
"""So many are enough for each of them; most are found with the first."""

# What is planted, and the rules by which it is found.
PLANTED: dict[Callable[[pytest.MonkeyPatch], None], set[str]] = {
    planted.a_lost_wake_up: {"inbox"},
    planted.a_cleanup_that_is_done_twice: {"counters", "left over"},
    planted.a_cleanup_that_never_comes: {"cleanup", "left over", "session"},
    planted.a_number_that_is_given_twice: {"fencing"},
    planted.a_fence_that_is_not_there: {"fencing"},
    planted.a_deadline_that_is_not_cancelled: {"timer"},
    planted.a_timer_that_outlives_its_session: {"order", "fault"},
    planted.a_probe_too_many: {"kept dead"},
    planted.a_probe_too_few: {"verdict"},
    planted.a_message_that_is_dropped: {"delivery"},
    planted.an_outbox_that_is_dropped_at_a_late_read: {"delivery"},
    planted.a_task_that_is_leaked: {"task"},
    planted.a_stale_round_trip: {"rtt"},
    planted.an_idle_session_that_is_not_woken: {"idle"},
    planted.a_session_that_never_turns_idle: {"idle"},
    planted.an_address_that_is_never_left: {"counters"},
    planted.a_counter_that_is_not_counted_down: {"counters"},
    planted.an_older_session_that_releases_the_newer_one: {"session", "state", "cleanup"},
    planted.an_acknowledgement_that_is_forgotten: {"delivery"},
    planted.a_window_by_the_wall_clock: {"state"},
    planted.an_acknowledged_state_that_is_forgotten: {"state"},
    planted.messages_said_again_after_a_failure: {"delivery"},
    planted.a_revocation_that_takes_what_was_saved: {"state"},
}


# What a mixture drawn for everything has too seldom.
MIXTURES: dict[Callable[[pytest.MonkeyPatch], None], Mixture] = {
    planted.a_window_by_the_wall_clock: Mixture({Fault.WALL_JUMP: 1.0}, 1_000.0)
}


def found_with(seed: int, mixture: Mixture | None = None) -> str | None:
    violation = simulate(seed, ROUGH, time.process_time, mixture=mixture).violation
    return None if violation is None else violation.rule


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_planted_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    mixture = MIXTURES.get(plant)
    rule = next(filter(None, (found_with(seed, mixture) for seed in SEEDS)), None)
    assert rule in PLANTED[plant]


@pytest.mark.parametrize("seed", SEEDS)
def test_where_nothing_is_planted_nothing_is_found(seed: int) -> None:
    result = simulate(seed, ROUGH, time.process_time)
    assert result.violation is None, "\n".join([str(result.violation), *result.trace])
