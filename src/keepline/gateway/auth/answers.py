"""What the callback said lately, so that a fleet that comes back does not ask it all at once."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Final, NamedTuple, TypeVar

import msgspec

MOST_ANSWERS: Final = 16_384

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Question(NamedTuple):
    """Everything the callback is told: an answer is good for exactly this."""

    device_id: str
    client_id: str
    token: str
    address: str


class Answer(NamedTuple):
    """What it said; `expires_at` (wall clock) is None for no end."""

    admitted: bool
    expires_at: float | None = None


class _Kept(NamedTuple):
    question: bytes
    until: float
    answer: Answer


class Answers:
    """Remembers refusals by question, admissions by device: the newest of each.

    So nobody else's failure drops what lets the right device in. Holds MOST_ANSWERS of either and
    of every token a digest only.
    """

    __slots__ = ("_admitted", "_keep_s", "_refused", "_refused_s")

    def __init__(self, *, keep_s: float, keep_refusal_s: float) -> None:
        self._keep_s = keep_s
        self._refused_s = keep_refusal_s
        self._admitted: OrderedDict[str, _Kept] = OrderedDict()
        self._refused: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._admitted) + len(self._refused)

    def find(self, question: Question, now: float) -> Answer | None:
        """Return the answer if it is still good, else None."""
        digest = _digest(question)
        kept = self._admitted.get(question.device_id.lower())
        if kept is not None and kept.question == digest and now < kept.until:
            return kept.answer
        until = self._refused.get(digest)
        return Answer(admitted=False) if until is not None and now < until else None

    def keep(self, question: Question, answer: Answer, now: float, now_wall: float) -> None:
        """Remember an answer, an admission not beyond its own end."""
        if not answer.admitted:
            if self._refused_s:
                _put(self._refused, _digest(question), now + self._refused_s)
            return
        end_s = self._keep_s
        if answer.expires_at is not None:
            end_s = min(end_s, answer.expires_at - now_wall)
        if end_s > 0:
            _put(
                self._admitted,
                question.device_id.lower(),
                _Kept(_digest(question), now + end_s, answer),
            )

    def forget(self, device_id: str) -> None:
        """Have the callback asked again when this device comes, in capitals or not."""
        self._admitted.pop(device_id.lower(), None)


def _digest(question: Question) -> bytes:
    return sha256(msgspec.json.encode(question)).digest()


def _put(kept: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST_ANSWERS:
        kept.popitem(last=False)
