"""What is counted, and the series that each number is."""

from __future__ import annotations

from operator import attrgetter

from keepline.histogram import Histogram
from keepline.monitor.metrics import COUNTER_SERIES, HISTOGRAM_SERIES, Counters


def test_the_bounds_of_every_histogram_rise() -> None:
    counters = Counters()
    counted = [getattr(counters, name) for name in Counters.__slots__]
    found = [each.bounds for each in counted if isinstance(each, Histogram)]
    assert len(found) == 6
    assert all(list(bounds) == sorted(set(bounds)) for bounds in found)


def test_every_series_has_its_number_and_each_histogram_its_series() -> None:
    counters = Counters()
    for attribute, _help in COUNTER_SERIES.values():
        assert attrgetter(attribute)(counters) == 0
    histograms = {attribute for attribute, _help in HISTOGRAM_SERIES.values()}
    found = {name for name in Counters.__slots__ if isinstance(getattr(counters, name), Histogram)}
    assert histograms == found
