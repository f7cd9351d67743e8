"""PURE: what each of a few things costs, out of sums of them; what is expected fills the gaps."""

from __future__ import annotations

from math import sqrt
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDS = 3  # of estimating the noise from what the costs before left unexplained


class Cost(NamedTuple):
    """What one thing costs, and by how much that may be wrong (one standard deviation)."""

    each: float
    spread: float

    def is_known(self, within: float) -> bool:
        """Return whether that is known to such a share of it."""
        return self.spread <= within * self.each


class Fit(NamedTuple):
    """What each of several things costs, and how their errors hang together."""

    each: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def of(self, counts: Sequence[float]) -> Cost:
        """Return what so many of each cost together: known better, often, than each by itself."""
        spread = sqrt(
            sum(
                a * b * self.covariance[i][j]
                for i, a in enumerate(counts)
                for j, b in enumerate(counts)
            )
        )
        return Cost(sum(a * each for a, each in zip(counts, self.each, strict=True)), spread)

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What each costs by itself."""
        return tuple(
            Cost(each, sqrt(row[i]))
            for i, (each, row) in enumerate(zip(self.each, self.covariance, strict=True))
        )


def expecting(*expected: Cost) -> Fit:
    """Return what is known before anything was seen."""
    covariance = tuple(
        tuple(cost.spread**2 if i == j else 0.0 for j in range(len(expected)))
        for i, cost in enumerate(expected)
    )
    return Fit(tuple(cost.each for cost in expected), covariance)


def fit(
    counts: Sequence[Sequence[float]],
    sums: Sequence[float],
    expected: Fit,
    noise: float,
) -> Fit:
    """Return the cost of each thing; `counts` has a row for each of `sums`, which have an offset.

    Least squares, to which what is `expected` counts as one more observation: where nothing
    varied, or two things always varied together, that is what decides. `noise` is the least that
    one sum is taken to be wrong by. No cost is below zero.
    """
    if not sums:
        return expected
    width = range(len(expected.each))
    middle = [fmean(row[i] for row in counts) for i in width]
    rows = [[row[i] - middle[i] for i in width] for row in counts]
    mean = fmean(sums)
    values = [value - mean for value in sums]
    squares = [[sum(row[i] * row[j] for row in rows) for j in width] for i in width]
    products = [sum(r[i] * value for r, value in zip(rows, values, strict=True)) for i in width]
    found, sigma = expected, noise
    for _ in range(_ROUNDS):
        precision = _inverse(expected.covariance)
        right = [sum(precision[i][j] * expected.each[j] for j in width) for i in width]
        for i in width:
            right[i] += products[i] / sigma**2
            for j in width:
                precision[i][j] += squares[i][j] / sigma**2
        covariance = _inverse(precision)
        each = [sum(covariance[i][j] * right[j] for j in width) for i in width]
        found = Fit(tuple(max(0.0, cost) for cost in each), tuple(map(tuple, covariance)))
        missed = [
            value - sum(each[i] * row[i] for i in width)
            for row, value in zip(rows, values, strict=True)
        ]
        sigma = max(noise, sqrt(fmean(error**2 for error in missed)))
    return found


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the inverse of a positive definite matrix (Gauss and Jordan)."""
    size = len(matrix)
    rows = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i, pivot_row in enumerate(rows):
        pivot = pivot_row[i]
        pivot_row[:] = [value / pivot for value in pivot_row]
        for j, other in enumerate(rows):
            if j != i:
                factor = other[i]
                other[:] = [a - factor * b for a, b in zip(other, pivot_row, strict=True)]
    return [row[size:] for row in rows]
