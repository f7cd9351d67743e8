from __future__ import annotations

import pytest

from keepline.fleet.exchange import LOST_AFTER_S, MOST_KEPT, Exchange
from keepline.fleet.tally import Tally


class Talk:
    """An exchange and what it counts, its clock moved by hand."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.exchange = Exchange()
        self.now = 100.0

    def says(self, count: int = 1) -> None:
        for _ in range(count):
            self.exchange.say(self.now, self.tally)

    def hears(self, *numbers: object) -> None:
        for number in numbers:
            self.exchange.hear({"n": number}, self.now, self.tally)

    @property
    def counted(self) -> dict[str, int]:
        counts = self.tally.counts
        names = ("sent", "heard", "lost", "reordered", "duplicated", "cut", "brought_back")
        found = {name: getattr(counts, f"numbers_{name}") for name in names}
        return {name: count for name, count in found.items() if count}


def test_a_number_that_comes_back_is_a_round_trip() -> None:
    talk = Talk()
    talk.says()
    talk.now += 0.25
    talk.hears(0)
    assert talk.counted == {"sent": 1, "heard": 1}
    assert talk.tally.rtt.quantiles().max_s == pytest.approx(0.25)


def test_a_gap_is_a_loss() -> None:
    talk = Talk()
    talk.says(4)
    talk.hears(0, 3)
    assert talk.counted == {"sent": 4, "heard": 2, "lost": 2}


def test_a_lost_one_that_comes_later_was_only_reordered() -> None:
    talk = Talk()
    talk.says(3)
    talk.hears(0, 2, 1)
    assert talk.counted == {"sent": 3, "heard": 3, "reordered": 1}


def test_one_that_comes_twice_is_a_duplicate() -> None:
    talk = Talk()
    talk.says(2)
    talk.hears(0, 0, 1)
    assert talk.counted == {"sent": 2, "heard": 2, "duplicated": 1}


def test_silence_is_a_loss_after_ten_seconds_and_not_before() -> None:
    talk = Talk()
    talk.says()
    talk.now += LOST_AFTER_S - 0.01
    talk.exchange.expire(talk.now, talk.tally)
    assert talk.counted == {"sent": 1}
    talk.now += 0.01
    talk.exchange.expire(talk.now, talk.tally)
    assert talk.counted == {"sent": 1, "lost": 1}


def test_what_is_under_way_when_the_server_ends_it_is_lost_until_it_comes_after_all() -> None:
    talk = Talk()
    talk.says(2)
    talk.exchange.drop(talk.tally)
    assert talk.counted == {"sent": 2, "lost": 2}
    talk.hears(0)  # delivered after a reconnect
    assert talk.counted == {"sent": 2, "lost": 1, "heard": 1, "brought_back": 1}


def test_what_is_under_way_when_the_device_ends_it_is_nobody_s_loss() -> None:
    talk = Talk()
    talk.says(2)
    talk.exchange.cut(talk.tally)
    assert talk.counted == {"sent": 2, "cut": 2}
    talk.says()
    talk.hears(2)
    assert talk.counted == {"sent": 3, "heard": 1, "cut": 2}


def test_what_comes_after_it_was_cut_is_no_duplicate() -> None:
    talk = Talk()
    talk.says()
    talk.exchange.cut(talk.tally)
    talk.hears(0)
    assert talk.counted == {"sent": 1, "cut": 1}


@pytest.mark.parametrize("number", [1, -1, "0", None, 1.0, True, [0]])
def test_what_was_never_said_is_nothing(number: object) -> None:
    talk = Talk()
    talk.says()
    talk.hears(number)
    assert talk.counted == {"sent": 1}


@pytest.mark.parametrize("payload", [None, [], "n", 0, {}])
def test_a_payload_that_is_no_number_of_ours_is_nothing(payload: object) -> None:
    talk = Talk()
    talk.says()
    talk.exchange.hear(payload, talk.now, talk.tally)
    assert talk.counted == {"sent": 1}


def test_a_server_that_never_answers_costs_a_bounded_memory() -> None:
    talk = Talk()
    talk.says(1_000)
    assert len(talk.exchange._under_way) == MOST_KEPT
    assert talk.exchange._lost is not None
    assert len(talk.exchange._lost) == MOST_KEPT
    assert talk.counted == {"sent": 1_000, "lost": 1_000 - MOST_KEPT}
