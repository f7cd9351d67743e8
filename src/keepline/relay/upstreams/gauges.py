"""What is measured of upstreams, one series for each by its name: 64 at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.monitor.exposition import ShownCounter, ShownGauge

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.monitor.exposition import Shown
    from keepline.relay.upstreams.pool import Pool
    from keepline.relay.upstreams.upstream import Upstream

_LABEL = "upstream"


def gauges_of(pool: Pool) -> tuple[Shown, ...]:
    """Return what is read at each scrape."""

    def each(read: Callable[[Upstream], float]) -> Callable[[], dict[str, float]]:
        return lambda: {upstream.name: read(upstream) for upstream in pool.upstreams}

    return (
        ShownGauge(
            "keepline_upstream_connections",
            "Open connections to an upstream.",
            each(lambda upstream: upstream.live),
            _LABEL,
        ),
        ShownGauge(
            "keepline_upstream_connecting",
            "Connects to an upstream under way.",
            each(lambda upstream: upstream.opening),
            _LABEL,
        ),
        ShownGauge(
            "keepline_upstream_ejected",
            "Whether an upstream is left alone, as it failed.",
            each(lambda upstream: upstream.is_ejected),
            _LABEL,
        ),
        ShownGauge(
            "keepline_upstream_draining",
            "Whether an upstream takes nothing new, by an operator's wish.",
            each(lambda upstream: upstream.draining),
            _LABEL,
        ),
        ShownGauge(
            "keepline_upstream_latency_seconds",
            "How long an upstream takes to answer, on a moving average; 0 while unknown.",
            each(lambda upstream: upstream.latency_s or 0.0),
            _LABEL,
        ),
        ShownCounter(
            "keepline_upstream_connects",
            "Connections that an upstream took.",
            each(lambda upstream: upstream.connects),
            _LABEL,
        ),
        ShownCounter(
            "keepline_upstream_failures",
            "Connects that an upstream did not take, and connections that it broke off.",
            each(lambda upstream: upstream.failures),
            _LABEL,
        ),
        ShownCounter(
            "keepline_upstream_ejections",
            "Times an upstream was ejected.",
            each(lambda upstream: upstream.ejections),
            _LABEL,
        ),
    )
