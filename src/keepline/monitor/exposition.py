"""What Prometheus is shown, and the text that a scrape gets of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from keepline.monitor.metrics import COUNTER_SERIES, HISTOGRAM_SERIES
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.histogram import Histogram
    from keepline.monitor.metrics import Counters


class ShownGauge(NamedTuple):
    """A number read at the scrape, None for none; with a `label`, one per value of that label.

    `values` are all that the label can be; () where settings or the program say it.
    """

    name: str
    help: str
    read: Callable[[], float | Mapping[str, float] | None]
    label: str | None = None
    values: tuple[str, ...] = ()


class ShownCounter(NamedTuple):
    """A number that only grows, counted elsewhere and read at the scrape as a `ShownGauge` is."""

    name: str
    help: str
    read: Callable[[], float | Mapping[str, float] | None]
    label: str | None = None
    values: tuple[str, ...] = ()


class ShownHistogram(NamedTuple):
    """Observations counted elsewhere, None where there are none of them."""

    name: str
    help: str
    read: Callable[[], Histogram | None]


Shown: TypeAlias = ShownGauge | ShownCounter | ShownHistogram


class Metrics(Collector):
    """The registry of one gateway: its counters, its gauges, its build."""

    def __init__(
        self,
        counters: Counters,
        shown: tuple[Shown, ...],
        *,
        version: str,
    ) -> None:
        self._counters = counters
        self.shown = shown
        self._version = version
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def text(self) -> bytes:
        """Return the exposition, 2 ms of work; the library's own look at the process took 11."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every family of ours; called by the registry."""
        counters = self._counters
        for name, (attribute, text) in COUNTER_SERIES.items():
            yield CounterMetricFamily(name, text, value=attrgetter(attribute)(counters))
        yield CounterMetricFamily(
            "keepline_configurations_answered",
            "Configuration requests that were answered with where to connect.",
            value=counters.disconnects[CloseReason.ANSWERED],
        )
        yield self._refusals()
        yield self._disconnects()
        yield self._faults()
        yield self._holds()
        yield self._outcomes()
        for name, (attribute, text) in HISTOGRAM_SERIES.items():
            yield _histogram(name, text, getattr(counters, attribute))
        for each in self.shown:
            if isinstance(each, ShownHistogram):
                yield _histogram(each.name, each.help, each.read())
            else:
                yield _read(each)
        python = ".".join(map(str, sys.version_info[:3]))
        build = {"version": self._version, "python": python}
        yield InfoMetricFamily("keepline_build", "What is running.", value=build)

    def _refusals(self) -> Metric:
        text = "Connections refused before the upgrade."
        family = CounterMetricFamily("keepline_refusals", text, labels=["cause", "status"])
        for reason, count in self._counters.disconnects.items():
            if reason.status is not None and reason is not CloseReason.ANSWERED:
                family.add_metric([reason.cause, str(reason.status)], count)
        return family

    def _holds(self) -> Metric:
        text = "Times somebody who comes and goes without end was put on a higher step."
        family = CounterMetricFamily("keepline_holds", text, labels=["kind", "step"])
        for labels, count in self._counters.holds.items():
            family.add_metric(list(labels), count)
        return family

    def _outcomes(self) -> Metric:
        text = "Sessions that were opened, by what was found of the one before."
        family = CounterMetricFamily("keepline_resumptions", text, labels=["outcome"])
        for outcome, count in self._counters.outcomes.items():
            family.add_metric([outcome.value], count)
        return family

    def _faults(self) -> Metric:
        text = "Exceptions that were caught, by their class and where they came from."
        family = CounterMetricFamily("keepline_faults", text, labels=["fault", "source"])
        for (fault, source), count in self._counters.faults.items():
            family.add_metric([fault.value, source.value], count)
        return family

    def _disconnects(self) -> Metric:
        text = "Upgraded connections that ended, by who ended them and why."
        family = CounterMetricFamily("keepline_disconnects", text, labels=["initiator", "cause"])
        for reason, count in self._counters.disconnects.items():
            if reason.status is None:
                family.add_metric([reason.initiator.value, reason.cause], count)
        return family


def _histogram(name: str, text: str, seen: Histogram | None) -> Metric:
    if seen is None:
        return HistogramMetricFamily(name, text)
    return HistogramMetricFamily(name, text, buckets=seen.cumulative(), sum_value=seen.sum)


def _read(gauge: ShownGauge | ShownCounter) -> Metric:
    make_family = GaugeMetricFamily if isinstance(gauge, ShownGauge) else CounterMetricFamily
    value = gauge.read()
    if isinstance(value, Mapping):
        assert gauge.label is not None, f"{gauge.name} needs a label for its values"
        family = make_family(gauge.name, gauge.help, labels=[gauge.label])
        for label, number in value.items():
            family.add_metric([label], number)
        return family
    return make_family(gauge.name, gauge.help, value=value)
