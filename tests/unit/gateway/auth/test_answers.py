from __future__ import annotations

import pytest

from keepline.gateway.auth import answers as module
from keepline.gateway.auth.answers import Answer, Answers, Question

ASKED = Question("device-1", "client-1", "t0ken-of-the-device", "192.0.2.1")
WALL = 1_800_000_000.0


def kept(answer: Answer, *, keep_s: float = 30.0, keep_refusal_s: float = 5.0) -> Answers:
    answers = Answers(keep_s=keep_s, keep_refusal_s=keep_refusal_s)
    answers.keep(ASKED, answer, 100.0, WALL)
    return answers


def test_an_admission_is_remembered_for_its_time() -> None:
    answers = kept(Answer(admitted=True))
    assert answers.find(ASKED, 129.9) == Answer(admitted=True)
    assert answers.find(ASKED, 130.0) is None


def test_a_refusal_is_remembered_for_its_own_time() -> None:
    answers = kept(Answer(admitted=False))
    assert answers.find(ASKED, 104.9) == Answer(admitted=False)
    assert answers.find(ASKED, 105.0) is None


def test_nothing_is_remembered_where_the_time_is_zero() -> None:
    for admitted in (True, False):
        answers = kept(Answer(admitted), keep_s=0.0, keep_refusal_s=0.0)
        assert answers.find(ASKED, 100.0) is None
        assert len(answers) == 0


@pytest.mark.parametrize("left_s", [10.0, 1.0])
def test_an_admission_is_not_remembered_beyond_its_own_end(left_s: float) -> None:
    answers = kept(Answer(admitted=True, expires_at=WALL + left_s))
    assert answers.find(ASKED, 100.0 + left_s - 0.1)
    assert answers.find(ASKED, 100.0 + left_s) is None


@pytest.mark.parametrize("field", Question._fields)
def test_an_answer_is_good_for_exactly_the_same_question(field: str) -> None:
    for admitted in (True, False):
        answers = kept(Answer(admitted))
        assert answers.find(ASKED._replace(**{field: "other"}), 100.0) is None


def test_somebody_else_s_refusal_does_not_drop_the_device_s_admission() -> None:
    answers = kept(Answer(admitted=True))
    forged = ASKED._replace(token="wrong", address="192.0.2.99")
    answers.keep(forged, Answer(admitted=False), 100.0, WALL)
    assert answers.find(ASKED, 101.0) == Answer(admitted=True)
    assert answers.find(forged, 101.0) == Answer(admitted=False)


def test_a_device_can_be_forgotten() -> None:
    answers = kept(Answer(admitted=True))
    answers.forget("another")
    assert answers.find(ASKED, 100.0)
    answers.forget("DEVICE-1")
    assert answers.find(ASKED, 100.0) is None
    answers.forget("device-1")


def test_memory_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ANSWERS", 3)
    answers = Answers(keep_s=30.0, keep_refusal_s=30.0)
    questions = [ASKED._replace(device_id=f"device-{number}") for number in range(5)]
    for admitted in (True, False):
        for question in questions:
            answers.keep(question, Answer(admitted), 100.0, WALL)
    assert len(answers) == 6
    assert answers.find(questions[1], 100.0) is None
    assert answers.find(questions[4], 100.0)


def test_no_token_is_kept() -> None:
    answers = kept(Answer(admitted=True))
    answers.keep(ASKED, Answer(admitted=False), 100.0, WALL)
    assert "t0ken" not in repr((answers._admitted, answers._refused))
