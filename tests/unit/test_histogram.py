"""Observations in buckets."""

from __future__ import annotations

from keepline.histogram import Histogram


def test_a_histogram_counts_each_observation_in_the_bucket_that_ends_at_or_above_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for observation in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.observe(observation)
    assert histogram.counts == [2, 2, 1]
    assert histogram.cumulative() == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]
    assert histogram.sum == 7.5
