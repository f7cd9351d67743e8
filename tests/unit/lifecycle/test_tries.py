from __future__ import annotations

from keepline.lifecycle.intervals import FORGIVEN_S
from keepline.lifecycle.tries import COSTS, FEW, MOST_RESTING, PATIENCE, Tries

STEP_S = 58.0


def began(tries: Tries, many: int, step_s: float = STEP_S, now: float = 0.0) -> int:
    """Have as many prefixes as may try a step; return how many do."""
    return sum(tries.begin(f"{step_s} {now} {n}", n + 1, step_s, now) for n in range(many))


def test_one_connection_of_a_prefix_tries() -> None:
    tries = Tries()
    assert tries.begin("here", 7, STEP_S, 0.0)
    assert not tries.begin("here", 8, STEP_S, 1.0)
    tries.end("here")
    tries.end("here")
    assert tries.begin("here", 8, STEP_S, 2.0)
    assert len(tries) == 1


def test_who_comes_to_no_end_gives_way() -> None:
    tries = Tries()
    tries.begin("here", 7, STEP_S, 0.0)
    assert not tries.begin("here", 8, STEP_S, PATIENCE * STEP_S)
    over = PATIENCE * STEP_S + 1
    for number in (7, 8):
        assert not tries.begin("here", number, STEP_S, over)
    assert tries.of("here") is None
    assert not tries.begin("here", 8, STEP_S, over + PATIENCE * STEP_S - 1)
    assert tries.begin("here", 8, STEP_S, over + PATIENCE * STEP_S)
    found = tries.of("here")
    assert found is not None
    assert found.number == 8


def test_those_that_come_to_no_end_leave_their_places_to_others() -> None:
    tries = Tries()
    began(tries, FEW)
    for n in range(FEW):
        assert not tries.begin(f"{STEP_S} 0.0 {n}", n + 1, STEP_S, PATIENCE * STEP_S + 1)
    assert began(tries, 100, now=PATIENCE * STEP_S + 2) == FEW


def test_what_is_known_of_those_that_rest_is_bounded() -> None:
    tries = Tries()
    for n in range(MOST_RESTING + 5):
        tries.begin(f"{n}", 1, STEP_S, 0.0)
        tries.begin(f"{n}", 1, STEP_S, PATIENCE * STEP_S + 1)
    assert len(tries._rests_until) == MOST_RESTING
    assert "4" not in tries._rests_until
    assert "5" in tries._rests_until


def test_a_step_that_nothing_is_known_of_is_tried_at_a_few_prefixes() -> None:
    tries = Tries()
    assert began(tries, 100) == FEW
    assert began(tries, 100, 88.0) == FEW


def test_each_that_survives_lets_one_more_try() -> None:
    tries = Tries()
    began(tries, FEW)
    tries.survived(f"{STEP_S} 0.0 0")
    assert began(tries, 100, now=1.0) == 2


def test_a_step_that_kills_more_than_a_fifth_is_tried_no_more_for_a_week() -> None:
    tries = Tries()
    killed = tried = 0
    while began(tries, 1, now=float(tried)):
        prefix = f"{STEP_S} {float(tried)} 0"
        tried += 1
        if tried % 5 == 0:
            killed += 1
            tries.killed(prefix, 0.0)
        else:
            tries.survived(prefix)
        if tried > 1_000:
            break
    assert tried > 1_000
    assert killed == 200
    tries = Tries()
    for n in range(FEW // COSTS):
        assert began(tries, 1, now=float(n))
        tries.killed(f"{STEP_S} {float(n)} 0", 5.0)
    assert began(tries, 100, now=100.0) == 0
    assert began(tries, 100, now=FORGIVEN_S + 6) == FEW


def test_a_carrier_that_forgets_soon_costs_few_of_its_thousand_prefixes() -> None:
    tries = Tries()
    killed = 0
    for second in range(1_000):
        if began(tries, 1, now=float(second)):
            tries.killed(f"{STEP_S} {float(second)} 0", float(second))
            killed += 1
    assert killed <= FEW
