"""What one session may have beside its calls, and send in a second. Beyond it the session ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import BudgetError

if TYPE_CHECKING:
    from keepline.gateway.calls import Calls
    from keepline.settings.isolation import Isolation


class Budgets:
    """Counts what is sent, in a table that is emptied every second; the rest counts itself."""

    __slots__ = ("_limits", "_sends")

    def __init__(self, limits: Isolation) -> None:
        self._limits = limits
        self._sends: dict[int, int] = {}  # by the session's identity: it is not held for it

    def send(self, session: Calls) -> None:
        """Count one message, or one packet that had to wait. Raises BudgetError."""
        key = id(session)
        count = self._sends[key] = self._sends.get(key, 0) + 1
        if count > self._limits.sends_per_s:
            raise _over(session, f"{self._limits.sends_per_s} sends in a second", "sends_per_s")

    def forget(self, session: Calls) -> None:
        """It has gone: who gets its place in memory within this second begins with nothing."""
        self._sends.pop(id(session), None)

    def spawn(self, session: Calls) -> None:
        """Have room for one more task. Raises BudgetError."""
        if len(session.beside().tasks) >= self._limits.tasks:
            raise _over(session, f"{self._limits.tasks} tasks under way", "tasks")

    def arm(self, session: Calls) -> None:
        """Have room for one more timer. Raises BudgetError."""
        if len(session.beside().timers) >= self._limits.timers:
            raise _over(session, f"{self._limits.timers} timers armed", "timers")

    def each_second(self) -> None:
        """Begin a new second."""
        if self._sends:
            self._sends = {}


def _over(session: Calls, what: str, limit: str) -> BudgetError:
    """End the session, and return the error: whoever catches it cannot go on all the same."""
    detail = f"{what} (isolation.{limit})"
    session.connection.close(BudgetError.reason, detail)
    return BudgetError(f"a session may have {detail}")
