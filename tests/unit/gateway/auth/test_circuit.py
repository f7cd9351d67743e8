from __future__ import annotations

import pytest

from keepline.gateway.auth.circuit import Circuit, dislikes_the_question


def opened(now: float = 0.0) -> Circuit:
    circuit = Circuit(failures=3, pause_s=10.0)
    for _ in range(3):
        assert circuit.begin(now)
        circuit.failed(now)
    return circuit


def test_it_opens_at_the_number_of_failures_in_a_row() -> None:
    circuit = Circuit(failures=3, pause_s=10.0)
    assert [circuit.failed(0.0) for _ in range(3)] == [False, False, True]
    assert circuit.is_open
    assert not circuit.begin(0.0)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    circuit = Circuit(failures=3, pause_s=10.0)
    circuit.failed(0.0)
    circuit.failed(0.0)
    assert not circuit.succeeded()
    assert [circuit.failed(0.0) for _ in range(3)] == [False, False, True]


def test_after_the_pause_one_may_try_and_only_one() -> None:
    circuit = opened()
    assert circuit.wait_s(4.0) == 6.0
    assert not circuit.begin(9.9)
    assert circuit.begin(10.0)
    assert not circuit.begin(10.0)
    assert not circuit.begin(1_000.0)


def test_the_one_who_tried_decides() -> None:
    circuit = opened()
    assert circuit.begin(10.0)
    assert not circuit.failed(10.5)  # no news: it was open before
    assert circuit.wait_s(10.5) == 10.0
    assert not circuit.begin(20.4)
    assert circuit.begin(20.5)
    assert circuit.succeeded()
    assert circuit.begin(20.5)
    assert circuit.begin(20.5)
    assert circuit.wait_s(20.5) == 0.0


def test_one_who_left_lets_another_try() -> None:
    circuit = opened()
    assert circuit.begin(10.0)
    circuit.abandoned()
    assert circuit.is_open
    assert circuit.begin(10.0)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(399, False), (400, True), (408, False), (422, True), (429, False), (499, True), (500, False)],
)
def test_a_question_that_is_no_good_says_nothing_against_the_server(
    status: int,
    expected: bool,  # noqa: FBT001
) -> None:
    assert dislikes_the_question(status) is expected
