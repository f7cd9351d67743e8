"""Weeks of a node that are made up, for trying what is learned of the hours of a week.

Every number is here. A sample every half a minute, from 7 to 10 o'clock of each day; the
same seed gives the same weeks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from random import Random
from time import process_time
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.seasons import Seasons
from keepline.monitor.rules.watched import WATCHED, Watched
from keepline.monitor.sample import Series
from keepline.settings.rules import Rules
from tools.rules_series import DAY, HOUR, events

if TYPE_CHECKING:
    from collections.abc import Callable

STEP_S: Final = 30
WEEK_S: Final = 7 * DAY
WEEKS: Final = 4
MONDAY: Final = 4 * DAY + 20_000 * DAY - 20_000 * DAY % WEEK_S  # wall time of a Monday, 0 o'clock
ONSET_S: Final = 3 * WEEK_S + DAY + 8 * HOUR + 600  # a Tuesday, in the middle of what it brings
FAULT_S: Final = 1_200
SETTINGS: Final = Rules()
FROM_S, UNTIL_S = 7 * HOUR, 10 * HOUR  # of each day


class Now(NamedTuple):
    """What a node's numbers are at one moment, without noise."""

    disconnects: float = 2.0  # a second
    failures: float = 0.1  # a second
    rtt: float = 0.040
    connections: float = 2_000.0


class Weeks(NamedTuple):
    """A series by name: what the node is at a second, and by how much more or less that day.

    `wrong` is whose finding is wanted.
    """

    name: str
    told: str
    at: Callable[[float, float], Now]
    wrong: Gauge | None = None


def _morning(second: float, much: float) -> Now:
    """At 8 o'clock on working days a shop opens: its devices come anew, for 40 minutes."""
    day, hour = int(second // DAY % 7), second % DAY / HOUR
    if day < 5 and 8 <= hour < 8 + 2 / 3:  # noqa: PLR2004 (from Monday to Friday, 40 minutes)
        return Now(disconnects=2 + 6 * much, failures=0.1 + 2 * much)
    return Now()


def _office(second: float, much: float) -> Now:
    """From 9 o'clock on working days the way to the fleet is full."""
    day, hour = int(second // DAY % 7), second % DAY / HOUR
    if day < 5 and hour >= 9:  # noqa: PLR2004 (working days)
        return Now(rtt=0.040 + 0.030 * much)
    return Now()


def _monday(second: float, much: float) -> Now:
    """Every Monday at 8 o'clock all is updated: ten minutes."""
    into = second % WEEK_S - 8 * HOUR
    return Now(disconnects=2 + 20 * much, failures=4 * much) if 0 <= into < 600 else Now()  # noqa: PLR2004


def _flat(_second: float, _much: float) -> Now:
    return Now()


def _wrong(at: Callable[[float, float], Now], **values: float) -> Callable[[float, float], Now]:
    """Return the same weeks, with a fault of 20 minutes at the onset."""

    def found(second: float, much: float) -> Now:
        now = at(second, much)
        return now._replace(**values) if 0 <= second - ONSET_S < FAULT_S else now

    return found


_DISCONNECTS: Final = Gauge.DISCONNECTS_PER_S

QUIET: Final = (
    Weeks("flat", "noise only", _flat),
    Weeks(
        "shop",
        "8 instead of 2 disconnects a second and 2 failed handshakes more, 8:00 to 8:40 on working"
        " days",
        _morning,
    ),
    Weeks("office", "RTT 70 instead of 40 ms from 9 o'clock on working days", _office),
    Weeks("update", "22 instead of 2 disconnects a second, ten minutes on Mondays at 8", _monday),
)
WRONG: Final = (
    Weeks(
        "flat", "3 instead of 2 disconnects a second", _wrong(_flat, disconnects=3.0), _DISCONNECTS
    ),
    Weeks(
        "shop",
        "30 instead of 8 disconnects a second",
        _wrong(_morning, disconnects=30.0),
        _DISCONNECTS,
    ),
    Weeks("shop, a little", "16 instead of 8", _wrong(_morning, disconnects=16.0), _DISCONNECTS),
    Weeks("shop, another", "RTT 200 instead of 40 ms", _wrong(_morning, rtt=0.2), Gauge.RTT_P50_S),
)


class Raised(NamedTuple):
    """An anomaly of a gauge held from `start_s` to `end_s`."""

    gauge: Gauge
    start_s: float
    end_s: float


class Played(NamedTuple):
    """What was raised, with or without seasons, and the CPU time of one look, the mean."""

    raised: list[Raised]
    look_s: float


class _Forgetful(Seasons):
    """Never knows anything: what the rules were before there were seasons."""

    __slots__ = ()

    def take_up(self, _kept: bytes) -> bool:
        return False

    def usual(self, _gauge: Gauge, _wall: float) -> None:
        return None


class Made(NamedTuple):
    """Every gauge's values, and the seconds since the first Monday at which it had them."""

    seconds: list[float]
    columns: dict[Gauge, list[float]]


def made(weeks: Weeks, seed: str) -> Made:
    """Return four weeks; each day differs a little."""
    random = Random(seed)  # noqa: S311 (it is to be repeated)
    columns: dict[Gauge, list[float]] = {gauge: [] for gauge in (*WATCHED, Gauge.CONNECTIONS)}
    seconds: list[float] = []
    much = 1.0
    for number in range(WEEKS * WEEK_S // STEP_S):
        second = float(number * STEP_S)
        if second % DAY == 0:
            much = random.uniform(0.8, 1.2)
        if not FROM_S <= second % DAY < UNTIL_S:
            continue
        seconds.append(second)
        now = weeks.at(second, much)
        columns[Gauge.DISCONNECTS_PER_S].append(events(now.disconnects * STEP_S, random) / STEP_S)
        columns[Gauge.HANDSHAKE_FAILURES_PER_S].append(
            events(now.failures * STEP_S, random) / STEP_S
        )
        columns[Gauge.RTT_P50_S].append(max(0.001, now.rtt + random.gauss(0, 0.004)))
        columns[Gauge.CONNECTIONS].append(now.connections)
    return Made(seconds, columns)


def played(weeks: Made, *, learning: bool) -> Played:
    """Play the weeks, sample by sample, to what watches for anomalies."""
    columns, count = weeks.columns, len(weeks.seconds)
    times = [MONDAY + second for second in weeks.seconds]
    watched = Watched(SETTINGS) if learning else Watched(SETTINGS, _Forgetful(WATCHED))
    held: dict[Gauge, float] = {}
    raised: list[Raised] = []
    began = process_time()
    for end in range(1, count + 1):

        def recent(gauge: Gauge, for_s: float, end: int = end) -> Series:
            first = bisect_right(times, times[end - 1] - for_s, 0, end)
            return Series(times[first:end], columns[gauge][first:end])

        now = times[end - 1] - MONDAY
        found = {each.gauge for each in watched.look(now, recent) if each is not None}
        for gauge in found - held.keys():
            held[gauge] = now
        raised += [Raised(gauge, held.pop(gauge), now) for gauge in held.keys() - found]
    raised += [Raised(gauge, start, times[-1] - MONDAY) for gauge, start in held.items()]
    return Played(raised, (process_time() - began) / count)


def by_week(raised: list[Raised]) -> list[int]:
    """Return how many began in each week."""
    starts = sorted(each.start_s for each in raised)
    edges = [bisect_left(starts, week * WEEK_S) for week in range(WEEKS + 1)]
    return [later - earlier for earlier, later in pairwise(edges)]


def delay_s(raised: list[Raised]) -> float | None:
    """Return how long after the onset an anomaly held; None for never while the fault lasted."""
    late = [each for each in raised if each.end_s > ONSET_S and each.start_s < ONSET_S + FAULT_S]
    return max(0.0, min(each.start_s for each in late) - ONSET_S) if late else None
