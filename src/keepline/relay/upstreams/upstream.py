"""One upstream: how much it has to do, and how well it is, as its connections tell."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.settings.upstream import Upstreams

RECENT: Final = 20  # connects that the share of failures is taken of
UNHEALTHY_CHECKS: Final = 2  # in a row: one lost packet ejects nobody
LATENCY_WEIGHT: Final = 0.2  # of the newest latency, in their moving average
LEAST_SHARE: Final = 0.1  # of its full share, when slow start begins
WHY_CHARACTERS: Final = 200


class Health(StrEnum):
    """How an upstream is. An ejected one that waits for its trial is still EJECTED."""

    HEALTHY = "healthy"
    SLOW_START = "slow_start"
    EJECTED = "ejected"
    DRAINING = "draining"


class Change(NamedTuple):
    """What became of an upstream: `ejected`, `returned`, `draining` or `undrained`.

    `for_s` is how long it is ejected at least, 0 for the others. `upstream` is None for `panic`
    and `panic_over`, which are about all of them.
    """

    upstream: Upstream | None
    what: str
    why: str = ""
    for_s: float = 0.0


class Upstream:
    """One voice server. Times are of `clock.now`.

    Whoever got it from `Pool.choose` calls exactly one of `opened`, `failed` and `abandoned`, and
    after `opened` exactly one `closed`.
    """

    __slots__ = (
        "_failures",
        "_recent",
        "_report",
        "_settings",
        "_times_ejected",
        "_trials",
        "_unhealthy_checks",
        "connects",
        "draining",
        "ejected_until",
        "ejections",
        "failures",
        "index",
        "last_failure",
        "latency_s",
        "live",
        "name",
        "opening",
        "reachable",
        "returned_at",
        "url",
    )

    def __init__(
        self, index: int, url: str, settings: Upstreams, report: Callable[[Change], None]
    ) -> None:
        parts = urlsplit(url)
        self.index = index
        self.url = url
        """With its query, which may hold a secret: to connect to, not to show."""
        self.name = f"{parts.scheme}://{parts.netloc.lower()}{parts.path or '/'}"
        """To show."""
        self.live = 0
        """Connections that are open."""
        self.opening = 0
        """Connects that are under way."""
        self.draining = False
        """Takes no new connections; those it has are given back when they can be."""
        self.reachable = True
        """False while the active check says no, and it is ejected for that: there are no trials."""
        self.ejected_until: float | None = None
        self.returned_at: float | None = None
        self.latency_s: float | None = None
        self.last_failure = ""
        self.connects = 0
        self.failures = 0
        self.ejections = 0
        self._settings = settings
        self._report = report
        self._failures = 0  # in a row
        self._recent: deque[bool] = deque(maxlen=RECENT)  # True for a failure
        self._times_ejected = 0  # in a row
        self._trials = 0  # under way
        self._unhealthy_checks = 0  # in a row

    def __repr__(self) -> str:
        return f"Upstream({self.name})"

    # -- what becomes of a connect ---------------------------------------------------------

    def opened(self, now: float) -> None:
        """A connect succeeded: the upstream took the connection, or the hello where it is sent.

        An ejected one that was tried by it comes back, slowly.
        """
        self.opening -= 1
        self.live += 1
        self.connects += 1
        self._failures = 0
        self._recent.append(False)
        if self._trials:
            self._trials -= 1
            if self.ejected_until is not None:
                self._come_back(now)

    def failed(self, now: float, why: str) -> None:
        """A connect failed by the upstream's fault; `why` is a few words without secrets."""
        self.opening -= 1
        self._trials = max(0, self._trials - 1)
        self._fail(now, why)

    def abandoned(self) -> None:
        """A connect ended by nobody's fault: the device left, we stop, or it was refused."""
        self.opening -= 1
        self._trials = max(0, self._trials - 1)

    def closed(self, now: float, broken: str = "") -> None:
        """An open connection ended. `broken` says how if the upstream broke it off, and counts."""
        self.live -= 1
        if broken:
            self._fail(now, broken)

    def latency(self, seconds: float) -> None:
        """Take how long it took to answer: a connect, or a hello."""
        before = seconds if self.latency_s is None else self.latency_s
        self.latency_s = before + (seconds - before) * LATENCY_WEIGHT

    # -- what else is told -----------------------------------------------------------------

    def checked(self, now: float, why: str = "") -> None:
        """Take the result of an active check; `why` says what was wrong, empty if nothing."""
        if not why:
            self._unhealthy_checks = 0
            if not self.reachable:
                self.reachable = True
                self.ejected_until = now  # its trial is next
            return
        self._unhealthy_checks += 1
        self.last_failure = why[:WHY_CHARACTERS]
        if self._unhealthy_checks >= UNHEALTHY_CHECKS and self.reachable:
            self.reachable = False
            if self.ejected_until is None:
                self._eject(now, why)

    def drain(self) -> None:
        """Take no new connections from now on."""
        if not self.draining:
            self.draining = True
            self._report(Change(self, "draining"))

    def undrain(self, now: float) -> None:
        """Take new connections again, slowly."""
        if self.draining:
            self.draining = False
            self.returned_at = now
            self._report(Change(self, "undrained"))

    # -- what is asked ---------------------------------------------------------------------

    @property
    def is_ejected(self) -> bool:
        """Whether it gets nothing but a trial."""
        return self.ejected_until is not None

    @property
    def load(self) -> int:
        """What it has to do: open connections and connects under way."""
        return self.live + self.opening

    def may_connect(self) -> bool:
        """Whether fewer connects than the limit are under way."""
        return self.opening < self._settings.connects

    def wants_trial(self, now: float) -> bool:
        """Whether it was ejected for long enough, and nobody is trying it."""
        return (
            self.ejected_until is not None
            and self.ejected_until <= now
            and self.reachable
            and not self._trials
        )

    def share(self, now: float) -> float:
        """Return what part of its full share it takes now, 1 when it is not in slow start."""
        slow_start_s = self._settings.slow_start_s
        if self.returned_at is None or now - self.returned_at >= slow_start_s:
            return 1.0
        return max(LEAST_SHARE, (now - self.returned_at) / slow_start_s)

    def health(self, now: float) -> Health:
        """Return how it is, in one word."""
        if self.draining:
            return Health.DRAINING
        if self.is_ejected:
            return Health.EJECTED
        return Health.HEALTHY if self.share(now) >= 1.0 else Health.SLOW_START

    def begin(self) -> None:
        """Count a connect as under way: by the pool, when it chooses this one."""
        self.opening += 1
        if self.is_ejected:
            self._trials += 1

    # -- ejecting --------------------------------------------------------------------------

    def _fail(self, now: float, why: str) -> None:
        self.failures += 1
        self.last_failure = why[:WHY_CHARACTERS]
        if self.ejected_until is not None:
            # Late failures of what was under way when it was ejected say nothing new.
            if self.ejected_until <= now:
                self._eject(now, why)
            return
        self._failures += 1
        self._recent.append(True)
        most = self._settings.failure_share * RECENT
        is_full = len(self._recent) == RECENT
        if self._failures >= self._settings.failures or (is_full and sum(self._recent) >= most):
            self._eject(now, why)

    def _eject(self, now: float, why: str) -> None:
        settings = self._settings
        well_since = self.returned_at
        if self.ejected_until is None and (
            well_since is None or now - well_since >= settings.eject_max_s
        ):
            self._times_ejected = 0
        # Bounded, or the power would overflow one day.
        for_s = min(settings.eject_s * 2 ** min(self._times_ejected, 30), settings.eject_max_s)
        self._times_ejected += 1
        self.ejections += 1
        self.ejected_until = now + for_s
        self._report(Change(self, "ejected", why[:WHY_CHARACTERS], for_s))

    def _come_back(self, now: float) -> None:
        # In a panic also one that its checks say no to is tried: it has to fail them anew.
        self.reachable = True
        self._unhealthy_checks = 0
        self.ejected_until = None
        self.returned_at = now
        self._failures = 0
        self._recent.clear()
        self._report(Change(self, "returned"))
