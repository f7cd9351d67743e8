"""The book of alerts: what holds becomes one alert, which is opened once and resolved once. Pure.

It is told what holds, all of it, as often as anybody looks; what it returns is what is new.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from keepline.monitor.alerts.advice import advice_for
from keepline.monitor.alerts.alert import Account, Acknowledged, Alert, Notice, Status, What
from keepline.monitor.alerts.flaps import Flaps
from keepline.monitor.alerts.kept import Kept
from keepline.monitor.alerts.silences import Silences
from keepline.monitor.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keepline.monitor.alerts.alert import Problem
    from keepline.settings.alerts import Alerts as Settings

    Accounting = Callable[[Alert], Account]

MOST_OPEN: Final = 200
"""Alerts at once: nobody reads more, and what opens beyond them is counted."""

RECENT: Final = 50
ACTIONS: Final = 20
"""Of one alert, the latest."""

RESTORE_S: Final = 180.0
"""What was open in a former life has so long to show that it still is: rules look every minute."""

OVER: Final = "it does not hold any more"
CALM: Final = "it has been calm"
NOT_SEEN: Final = "the gateway was started anew, and it was not seen again"
STOPPED: Final = "the gateway was stopped, and remembers nothing"

_Key = tuple[str, str, str]


class Book:
    """Open alerts by what they are about, the latest that are over, and silences.

    Times are handed in: `now` monotonic, for how long something lasts, `wall` for people.
    """

    def __init__(self, settings: Settings, kept: Kept | None = None, now: float = 0.0) -> None:
        """Go on with what was `kept`; None begins an empty book."""
        kept = Kept() if kept is None else kept
        self.refused = 0  # alerts for which there was no room
        self.recent: deque[Alert] = deque(kept.recent, maxlen=RECENT)  # over, the latest last
        self.silences = Silences(kept.silences, kept.next_silence)
        self._settings = settings
        self._next_number = kept.next_number
        self._flaps = Flaps(settings.flap_opens, settings.flap_within_s)
        self.acted = False  # whether an action began or ended at the latest look
        self._account: Accounting = _nothing
        self._open: dict[_Key, Alert] = {each.key: _left(each) for each in kept.open}
        self._holding: set[_Key] = set()
        self._restored = set(self._open)
        self._began = now
        self._held_at: dict[_Key, float] = dict.fromkeys(self._open, now)
        self._told_at: dict[_Key, float] = dict.fromkeys(self._open, now)

    @property
    def open(self) -> tuple[Alert, ...]:
        """What is open, the oldest first."""
        return tuple(self._open.values())

    def kept(self) -> Kept:
        """Return what a next life has to know."""
        return Kept(
            self._next_number,
            self.silences.next_number,
            tuple(self._open.values()),
            tuple(self.recent),
            self.silences.held,
        )

    # -- what holds ------------------------------------------------------------------------

    def see(
        self,
        now: float,
        wall: float,
        problems: Iterable[Problem],
        account: Accounting | None = None,
    ) -> list[Notice]:
        """Take in everything that holds now; return what happened, the silenced too.

        `account` says what was done about an alert.
        """
        self._account = account or _nothing
        self.acted = False
        found: list[Notice] = []
        holding: set[_Key] = set()
        for problem in problems:
            holding.add(problem.key)
            self._holds(now, wall, problem, found)
        for key in [key for key in self._open if key not in holding]:
            self._holds_no_more(now, wall, key, found)
        self._holding = holding
        return found

    def _holds(self, now: float, wall: float, problem: Problem, found: list[Notice]) -> None:
        key = problem.key
        is_new = key not in self._holding and key not in self._restored
        self._restored.discard(key)
        before = self._open.get(key)
        if before is None:
            self._begin(now, wall, problem, found)
            return
        self._held_at[key] = now
        worse = problem.severity is Severity.HIGH and before.severity is not Severity.HIGH
        returned = is_new and before.status is Status.FLAPPING
        alert = replace(
            self._accounted(before),
            severity=Severity.HIGH if worse else before.severity,
            detail=problem.detail,
            value=problem.value,
            limit=problem.limit,
            exhausted_in_s=problem.exhausted_in_s,
            openings=before.openings + returned,
            updated_at=wall,
        )
        what = What.WORSENED if worse else self._reminding(now, wall, alert)
        self._keep(now, wall, alert, what, found)

    def _reminding(self, now: float, wall: float, alert: Alert) -> What | None:
        """Say whether it is to be told although nothing happened."""
        if not alert.told and not self._is_silenced(alert, wall):
            return What.OPENED if alert.status is Status.OPEN else What.FLAPPING
        repeat_s = self._settings.repeat_s
        if repeat_s and alert.told and alert.acknowledged is None:
            due = now - self._told_at[alert.key] >= repeat_s
            return What.REMINDED if due else None
        return None

    def _begin(self, now: float, wall: float, problem: Problem, found: list[Notice]) -> None:
        if len(self._open) >= MOST_OPEN:
            self.refused += problem.key not in self._holding
            return
        flapping = self._flaps.opens(problem.key, now)
        alert = Alert(
            number=self._next_number,
            about=problem.about,
            kind=problem.kind,
            scope=problem.scope,
            status=Status.FLAPPING if flapping else Status.OPEN,
            severity=problem.severity,
            detail=problem.detail,
            value=problem.value,
            limit=problem.limit,
            exhausted_in_s=problem.exhausted_in_s,
            since=wall,
            updated_at=wall,
            advice=advice_for(problem.about, problem.kind),
            openings=self._settings.flap_opens if flapping else 1,
        )
        self._next_number += 1
        self._held_at[alert.key] = now
        what = What.FLAPPING if flapping else What.OPENED
        self._keep(now, wall, self._accounted(alert), what, found)

    def _holds_no_more(self, now: float, wall: float, key: _Key, found: list[Notice]) -> None:
        alert = self._open[key]
        if key in self._restored:
            if now - self._began >= RESTORE_S:
                self._end(wall, alert, NOT_SEEN, found)
        elif alert.status is not Status.FLAPPING:
            self._end(wall, alert, OVER, found)
        elif now - self._held_at[key] >= self._settings.calm_s:
            self._flaps.forget(key)
            self._end(wall, alert, CALM, found)

    def _end(self, wall: float, alert: Alert, why: str, found: list[Notice]) -> None:
        over = replace(
            self._accounted(alert),
            status=Status.RESOLVED,
            resolved_at=wall,
            updated_at=wall,
            resolution=why,
        )
        # Whoever heard of it hears that it is over, also while it is silenced.
        over = replace(over, silenced=not over.told)
        del self._open[alert.key], self._held_at[alert.key]
        self._told_at.pop(alert.key, None)
        self._restored.discard(alert.key)
        self.recent.append(over)
        found.append(Notice(What.RESOLVED, over))

    def end_all(self, wall: float) -> list[Notice]:
        """Resolve what is open: nobody will know of it any more."""
        found: list[Notice] = []
        for alert in self.open:
            self._end(wall, alert, STOPPED, found)
        return found

    def _keep(
        self, now: float, wall: float, alert: Alert, what: What | None, found: list[Notice]
    ) -> None:
        silenced = self._is_silenced(alert, wall)
        told = what is not None and not silenced
        alert = replace(alert, silenced=silenced, told=alert.told or told)
        self._open[alert.key] = alert
        if told:
            self._told_at[alert.key] = now
        if what is not None and not (silenced and what is What.REMINDED):
            found.append(Notice(what, alert))

    def _is_silenced(self, alert: Alert, wall: float) -> bool:
        return self.silences.cover(alert.about, alert.kind, wall)

    # -- what people say, and what was done --------------------------------------------------

    def acknowledge(self, number: int, wall: float, by: str, note: str) -> Notice | None:
        """Somebody looks after an open alert; None when there is none of that number."""
        for alert in self._open.values():
            if alert.number == number:
                known = Acknowledged(wall, by, note)
                self._open[alert.key] = replace(alert, acknowledged=known)
                return Notice(What.ACKNOWLEDGED, self._open[alert.key])
        return None

    def _accounted(self, alert: Alert) -> Alert:
        """Return an alert with what was done about it by now; what is known of before stays."""
        account = self._account(alert)
        news = {(each.at, each.action): each for each in account.actions}
        known = [news.pop((each.at, each.action), each) for each in alert.actions]
        actions = tuple(sorted((*known, *news.values()), key=attrgetter("at"))[-ACTIONS:])
        if [each.ended_at for each in actions] != [each.ended_at for each in alert.actions]:
            self.acted = True
        return replace(alert, actions=actions, undone="" if actions else account.undone)


def _left(alert: Alert) -> Alert:
    """Return an alert of a former life: what that did about it has ended with it."""
    ended = (
        each if each.ended_at is not None else replace(each, ended_at=alert.updated_at)
        for each in alert.actions
    )
    return replace(alert, actions=tuple(ended))


def _nothing(_alert: Alert) -> Account:
    return Account()
