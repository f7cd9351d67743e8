"""A circuit breaker: who does not answer is left alone for a while, then asked once."""

from __future__ import annotations

from typing import Final

_LATER: Final = frozenset({408, 425, 429})


def dislikes_the_question(status: int) -> bool:
    """Return whether an HTTP status (4xx) says that the server is well, and the question is not.

    A device writes a part of the question: else one that is refused as malformed, a few times in
    a row, would have the server left alone, and with that everybody else kept out.
    """
    return 400 <= status < 500 and status not in _LATER  # noqa: PLR2004


class Circuit:
    """Opens after `failures` in a row; after `pause_s` one caller may try, and decides.

    Every `begin` that is allowed must be followed by one of `succeeded`, `failed`, `abandoned`.
    """

    __slots__ = ("_failures", "_in_a_row", "_open_until", "_pause_s", "_probing")

    def __init__(self, *, failures: int, pause_s: float) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._in_a_row = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether it has given up for the moment."""
        return self._open_until is not None

    def begin(self, now: float) -> bool:
        """Return whether one may ask."""
        if self._open_until is None:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    def wait_s(self, now: float) -> float:
        """Return when to ask again, 0 for now."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def succeeded(self) -> bool:
        """An answer came; True when this one closes the circuit."""
        was_open = self.is_open
        self._in_a_row = 0
        self._open_until = None
        self._probing = False
        return was_open

    def failed(self, now: float) -> bool:
        """No answer came; True when this one opens the circuit."""
        was_open = self.is_open
        self._in_a_row += 1
        self._probing = False
        if was_open or self._in_a_row >= self._failures:
            self._open_until = now + self._pause_s
        return self.is_open and not was_open

    def abandoned(self) -> None:
        """Who asked has left before there was an answer."""
        self._probing = False
