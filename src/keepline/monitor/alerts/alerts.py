"""The alerts of one node: from what rules and incidents say to whoever is told, and to the hub."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from msgspec import json

from keepline.errors import HubDownError
from keepline.monitor.alerts.alert import What, done_about, problem_of
from keepline.monitor.alerts.book import Book
from keepline.monitor.alerts.kept import MEMO, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepline.clock import Clock
    from keepline.hub.port import Hub
    from keepline.log import Log
    from keepline.monitor.alerts.alert import Alert, Notice
    from keepline.monitor.alerts.book import Accounting
    from keepline.monitor.alerts.incidents import Incidents
    from keepline.monitor.alerts.silences import Silence
    from keepline.monitor.findings import Finding
    from keepline.settings.alerts import Alerts as Settings

SAVE_S = 60.0
"""How old the numbers of an open alert may be in the hub; what happens to it is there at once."""

EVENT = "alert"


class Notifier(Protocol):
    """Somebody who is told. `tell` neither waits nor raises."""

    def tell(self, notice: Notice) -> None:
        """Have it told, or dropped where too much waits."""

    async def stop(self, within_s: float) -> None:
        """Tell what waits as far as it goes within the time, then give the rest up."""


class Alerts:
    """Looks with each sample, and at once when an incident is raised or cleared.

    `evaluate` returns at a monotonic time what the rules find, `attentive` attentive time,
    `account` what was done about an alert.
    `is_leaving` says whether the node empties itself: its numbers say nothing then. `is_durable`
    whether the hub outlives the process.
    """

    def __init__(
        self,
        settings: Settings,
        incidents: Incidents,
        *,
        evaluate: Callable[[float], Sequence[Finding]],
        account: Accounting,
        attentive: Callable[[], float],
        is_leaving: Callable[[], bool],
        is_durable: bool,
        hub: Hub,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        notifiers: Sequence[Notifier],
    ) -> None:
        self.transitions = Counter(dict.fromkeys(What, 0))
        self.book = Book(settings)
        self.notifiers = notifiers
        self._settings = settings
        self._incidents = incidents
        self._evaluate = evaluate
        self._account = account
        self._attentive = attentive
        self._is_leaving = is_leaving
        self._is_durable = is_durable
        self._hub = hub
        self._clock = clock
        self._loop = loop
        self._log = log
        self._findings: Sequence[Finding] = ()
        self._look_soon: asyncio.Handle | None = None
        self._looks = False  # from its start to its end, or until somebody else takes over
        self._save_at = clock.now() + SAVE_S

    async def start(self) -> None:
        """Take up what a former life has left, and be told of incidents from now on."""
        try:
            memo = await self._hub.memo(MEMO)
        except HubDownError as error:
            self._log.warning("alerts_unreadable", error=error)
            memo = None
        kept = decode(memo)
        if memo is not None and kept is None:
            self._log.warning("alerts_unreadable")
        self.book = Book(self._settings, kept, self._clock.now())
        self._begin()

    async def leave(self) -> None:
        """Look no more, and have all that is open written: another process goes on with it.

        A store that does not answer delays it by some seconds, and is told.
        """
        self._save()
        self._end()
        try:
            await self._hub.memo(MEMO)  # behind everything that was to be written
        except HubDownError as error:
            self._log.warning("alerts_not_handed_over", error=error)

    def stay(self) -> None:
        """Look again: nobody has taken over."""
        self._begin()

    async def stop(self, within_s: float) -> None:
        """Look no more. What is open stays so for the next life, if there will be one."""
        self._save()
        self._end()
        if not self._is_durable:
            self._told(self.book.end_all(self._clock.wall()))
        await asyncio.gather(*(notifier.stop(within_s) for notifier in self.notifiers))

    def _begin(self) -> None:
        self._looks = True
        self._incidents.on_change = self._on_change
        self._on_change()

    def _end(self) -> None:
        self._looks = False
        self._incidents.on_change = lambda: None
        if self._look_soon is not None:
            self._look_soon.cancel()
            self._look_soon = None

    def on_sample(self, _sample: object) -> None:
        """Look at what the rules find, all of it; called with each sample."""
        if not self._looks or self._is_leaving():
            return
        now = self._clock.now()
        self._findings = self._evaluate(now)
        self._look()
        if now >= self._save_at:
            self._save()

    def _on_change(self) -> None:
        """Look in the next turn: whoever raises an incident has other things to do."""
        if self._look_soon is None:
            self._look_soon = self._loop.call_soon(self._look_now)

    def _look_now(self) -> None:
        self._look_soon = None
        self._look()

    def _look(self) -> None:
        problems = [*map(problem_of, self._findings), *self._incidents.problems(self._attentive())]
        now, wall = self._clock.now(), self._clock.wall()
        self._told(self.book.see(now, wall, problems, self._account))

    def _told(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            self.transitions[notice.what] += 1
            if notice.what is not What.REMINDED:
                self._hub.emit("", EVENT, json.encode(event_of(notice)))
            self._log_line(notice)
            if not notice.alert.silenced:
                for notifier in self.notifiers:
                    notifier.tell(notice)
        if notices or self.book.acted:
            self._save()

    def _log_line(self, notice: Notice) -> None:
        what, alert = notice
        if what is What.REMINDED:
            return
        quiet = what in {What.RESOLVED, What.ACKNOWLEDGED}
        log = self._log.info if quiet else self._log.warning
        if alert.severity == "high" and not quiet:
            log = self._log.error
        log(f"alert_{what}", **event_of(notice))

    def _save(self) -> None:
        if not self._looks:
            return
        self._save_at = self._clock.now() + SAVE_S
        self._hub.keep_memo(MEMO, encode(self.book.kept()))

    # -- what people say ------------------------------------------------------------------

    def acknowledge(self, number: int, by: str = "", note: str = "") -> Alert | None:
        """Somebody looks after it: it is not told again while it stays as it is.

        None when none of that number is open, or another process has taken over.
        """
        notice = None
        if self._looks:
            notice = self.book.acknowledge(number, self._clock.wall(), by, note)
        if notice is None:
            return None
        self._told([notice])
        return notice.alert

    def silence(
        self, for_s: float, *, about: str = "", kind: str = "", by: str = "", note: str = ""
    ) -> Silence | None:
        """Tell nobody of what is about that or of that kind, for so long.

        It is in log and history all the same, and told afterwards if it still holds. None if there
        are too many, or another process has taken over.
        """
        if not self._looks:
            return None
        made = self.book.silences.add(about, kind, self._clock.wall(), for_s, by=by, note=note)
        if made is not None:
            self._log.info("alerts_silenced", about=about, kind=kind, for_s=for_s, by=by)
            self._look()
            self._save()
        return made

    def unsilence(self, number: int) -> bool:
        """End a silence; False when there is none of that number."""
        lifted = self._looks and self.book.silences.lift(number)
        if lifted:
            self._look()
            self._save()
        return lifted


def event_of(notice: Notice) -> dict[str, object]:
    """Return what is written down of it."""
    what, alert = notice
    told = {
        "what": what.value,
        "number": alert.number,
        "about": alert.about,
        "kind": alert.kind,
        "scope": alert.scope,
        "severity": alert.severity.value,
        "detail": alert.detail,
        "since": round(alert.since, 3),
        "openings": alert.openings if alert.openings > 1 else None,
        "resolution": alert.resolution,
        "done": done_about(alert),
        "by": alert.acknowledged.by if alert.acknowledged is not None else None,
        "silenced": alert.silenced or None,
    }
    return {name: value for name, value in told.items() if value not in {None, ""}}
