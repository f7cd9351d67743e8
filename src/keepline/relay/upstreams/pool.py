"""Chooses an upstream for a device. Pure: time and randomness are handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.relay.upstreams.rendezvous import draw
from keepline.relay.upstreams.upstream import Change, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from keepline.settings.upstream import Upstreams

# Between these a latency counts: all quicker ones are the same, and none counts eight times.
LEAST_LATENCY_S: Final = 0.1
MOST_LATENCY_S: Final = 0.8


class Pool:
    """All upstreams of a gateway, in the order of the settings."""

    __slots__ = ("_report", "_settings", "panicking", "upstreams")

    def __init__(self, settings: Upstreams, report: Callable[[Change], None]) -> None:
        """`report` is told at once what becomes of upstreams."""
        self._settings = settings
        self._report = report
        self.upstreams: Sequence[Upstream] = tuple(
            Upstream(index, url, settings, report) for index, url in enumerate(settings.urls)
        )
        self.panicking = False
        """Whether so many are ejected that all serve."""

    def choose(
        self,
        device_id: str,
        now: float,
        random: Callable[[], float],
        avoid: Collection[Upstream] = (),
    ) -> Upstream | None:
        """Return the upstream this device is to be connected to, its connect counted as begun.

        The caller then says what became of it: see `Upstream`. `random` returns a number in
        [0, 1). `avoid` are those that just failed for this device. None: all that could be taken
        have as many connects under way as they may, or none is left; ask again in a moment.
        """
        serving = [each for each in self.upstreams if not each.draining]
        self._look_for_panic(serving)
        candidates = [each for each in serving if each not in avoid]
        if self._settings.sticky:
            chosen = self._own(device_id, candidates, now)
        else:
            chosen = self._less_loaded(candidates, now, random)
        if chosen is not None:
            chosen.begin()
        return chosen

    @property
    def serving(self) -> int:
        """How many are not draining."""
        return sum(not each.draining for each in self.upstreams)

    def find(self, name: str) -> Upstream | None:
        """Return the upstream of this name or URL."""
        return next((each for each in self.upstreams if name in {each.name, each.url}), None)

    # -- choosing --------------------------------------------------------------------------

    def _look_for_panic(self, serving: Sequence[Upstream]) -> None:
        ejected = sum(each.is_ejected for each in serving)
        panicking = ejected > self._settings.most_ejected * len(serving)
        if panicking != self.panicking:
            self.panicking = panicking
            self._report(Change(None, "panic" if panicking else "panic_over"))

    def _less_loaded(
        self, candidates: list[Upstream], now: float, random: Callable[[], float]
    ) -> Upstream | None:
        if self.panicking:
            taking = candidates
        else:
            for each in candidates:
                if each.wants_trial(now) and each.may_connect():
                    return each
            well = [each for each in candidates if not each.is_ejected]
            # Load alone would give one that has just come back, with none, all that come.
            taking = [each for each in well if each.share(now) > random()] or well
        free = [each for each in taking if each.may_connect()]
        if not free:
            return None
        first = free.pop(int(random() * len(free)))
        if not free:
            return first
        second = free[int(random() * len(free))]
        return min(first, second, key=_cost)

    def _own(self, device_id: str, candidates: list[Upstream], now: float) -> Upstream | None:
        """Return the first in the device's own order that serves.

        When its connects are at their limit the device waits: a storm would else scatter all.
        """
        ranked = sorted(
            ((draw(device_id, each.name), each) for each in candidates),
            key=lambda pair: pair[0],
            reverse=True,
        )
        unsure: Upstream | None = None
        for _, each in ranked:
            if each.is_ejected and not self.panicking:
                if each.wants_trial(now) and each.may_connect():
                    return each
                continue
            # Its devices come back to it one after the other, and none goes to and fro.
            if each.share(now) <= draw(device_id, f"{each.name} slowly"):
                unsure = unsure or each
                continue
            return each if each.may_connect() else None
        return unsure if unsure is not None and unsure.may_connect() else None


def _cost(upstream: Upstream) -> float:
    latency_s = upstream.latency_s or LEAST_LATENCY_S
    return (upstream.load + 1) * min(max(latency_s, LEAST_LATENCY_S), MOST_LATENCY_S)
