"""Tries the failure detector, into docs/failure-detection.md: `python -m tools.detector_page`.

A quarter of an hour of CPU, on every core, and the same numbers each time; `--days 10` for a
quick look.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tools.detector_measures import (
    ADAPTIVE,
    ADAPTIVE_30,
    DETECTORS,
    LISTED,
    SEED,
    AfterStall,
    Detector,
    MassDeath,
    Mistakes,
    detection_s,
    mass_death,
    mistakes,
    one_stall,
    patient,
)
from tools.detector_plot import Curve, Row, drawn
from tools.detector_traces import CUT, JITTERY, LOSSY, QUIET, TRACES
from tools.generated import renewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.detector_traces import Trace

PAGE: Final = Path(__file__).parents[1] / "docs" / "failure-detection.md"
PLOT: Final = PAGE.with_suffix(".svg")

DAYS: Final = 1_000.0
LESS: Final = 0.1  # of the days, for what is there to be compared with
LEAST: Final = 0.025  # for what is wrong often
OFTEN: Final = {LOSSY.name: 0.2, CUT.name: 0.2}  # where mistakes are many
DEATHS: Final = 500
STALL_S: Final = 5.0
LEASTS_S: Final = (0.5, 1.0, 1.5, 2.0, 3.0)
TRADED: Final = (JITTERY, LOSSY, CUT)


class Results(NamedTuple):
    """All that was measured, by the names of trace and detector."""

    mistakes: dict[tuple[str, str], Mistakes]
    idle_s: dict[tuple[str, str], Sequence[float]]
    talk_s: dict[tuple[str, str], Sequence[float]]
    traded: dict[tuple[str, str], Mistakes]
    traded_idle_s: dict[str, Sequence[float]]
    traded_talk_s: dict[str, Sequence[float]]
    masses: dict[str, MassDeath]
    stalls: dict[tuple[str, str, float], AfterStall]


class Asked(NamedTuple):
    """One measurement: what it is for, and how to make it."""

    part: str
    key: Any
    measure: Callable[..., Any]
    arguments: tuple[Any, ...]


def all_asked(days: float, deaths: int) -> list[Asked]:
    """Return every measurement, the longest first."""
    asked = []
    for detector in DETECTORS:
        for trace in TRACES:
            key = (trace.name, detector.name)
            share = OFTEN.get(trace.name, 1.0) if detector is ADAPTIVE else LESS
            asked += [
                Asked("mistakes", key, mistakes, (trace, detector, days * share)),
                Asked("idle_s", key, detection_s, (trace, detector, deaths)),
            ]
            asked += [
                Asked("stalls", (*key, for_s), one_stall, (trace, detector, for_s))
                for for_s in (STALL_S, 0.0)
            ]
            if detector is not LISTED:
                asked.append(Asked("talk_s", key, _talking, (trace, detector, deaths)))
    for least_s in LEASTS_S:
        detector = patient(least_s)
        asked += [
            Asked("traded_idle_s", detector.name, detection_s, (QUIET, detector, deaths)),
            Asked("traded_talk_s", detector.name, _talking, (QUIET, detector, deaths)),
        ]
        for trace in TRADED:
            key = (trace.name, detector.name)
            asked.append(Asked("traded", key, mistakes, (trace, detector, days * LEAST)))
    asked += [
        Asked("masses", detector.name, mass_death, (QUIET, detector)) for detector in DETECTORS
    ]
    return sorted(asked, key=lambda each: each.part not in {"mistakes", "traded"})


def _talking(trace: Trace, detector: Detector, deaths: int) -> Sequence[float]:
    return detection_s(trace, detector, deaths, talking=True)


def measured(asked: Asked) -> Any:
    """Make one measurement."""
    return asked.measure(*asked.arguments)


def all_measured(days: float, deaths: int, spread: Callable[..., Iterable[Any]] = map) -> Results:
    """Measure everything."""
    results = Results(*({} for _ in Results._fields))
    asked = all_asked(days, deaths)
    for each, result in zip(asked, spread(measured, asked), strict=True):
        getattr(results, each.part)[each.key] = result
    return results


def traces_table() -> str:
    """Return what each trace is."""
    lines = [_row("trace", "what it is"), _row("---", "---")]
    return "\n".join([*lines, *(_row(trace.name, trace.told) for trace in TRACES)])


def detection_table(results: Results) -> str:
    """Return how long after its last sign of life a device was given up."""
    heads = [f"{where} {which}" for where in ("idle", "talking") for which in ("p50", "p95", "max")]
    lines = [_row("trace", "detector", *heads), _row("---", "---", *["---:"] * len(heads))]
    for trace in TRACES:
        for detector in DETECTORS:
            key = (trace.name, detector.name)
            idle, talk = results.idle_s[key], results.talk_s.get(key, ())
            lines.append(_row(trace.name, detector.name, *_spread(idle), *_spread(talk)))
    return "\n".join(lines)


def mistakes_table(results: Results) -> str:
    """Return how many of the living were given up."""
    heads = ("device-days", "false verdicts, idle", "talking", "suspicions", "pings")
    lines = [_row("trace", "detector", *heads), _row("---", "---", *["---:"] * len(heads))]
    for trace in TRACES:
        for detector in DETECTORS:
            found = results.mistakes[trace.name, detector.name]
            talking = _rate(found, found.in_talk) if detector.talk else "-"
            lines.append(
                _row(
                    trace.name,
                    detector.name,
                    f"{found.device_days:,.0f}",
                    _rate(found, found.idle),
                    talking,
                    f"{found.suspicions_per_day:.2g}",
                    f"{found.pings_per_h:.0f}",
                )
            )
    return "\n".join(lines)


def trade_table(results: Results) -> str:
    """Return what patience costs and buys."""
    heads = [f"{trace.name}, {where}" for trace in TRADED for where in ("idle", "talking")]
    lines = [
        _row("`probe_min_s`", "idle max", "talking max", *heads),
        _row("---", "---:", "---:", *["---:"] * len(heads)),
    ]
    for least_s in LEASTS_S:
        name = patient(least_s).name
        cells = []
        for trace in TRADED:
            found = results.traded[trace.name, name]
            cells += [_rate(found, found.idle), _rate(found, found.in_talk)]
        idle_s, talk_s = results.traded_idle_s[name][-1], results.traded_talk_s[name][-1]
        lines.append(_row(name, f"{idle_s:.1f} s", f"{talk_s:.1f} s", *cells))
    return "\n".join(lines)


def mass_table(results: Results) -> str:
    """Return how long it took until half a fleet was given up."""
    heads = ("first verdict", "last verdict", "half closed", "all closed", "incidents", "mistakes")
    lines = [_row("detector", *heads), _row("---", *["---:"] * len(heads))]
    for detector in DETECTORS:
        found = results.masses[detector.name]
        times = (found.first_s, found.last_s, found.half_s, found.all_s)
        cells = [f"{time_s:.1f} s" for time_s in times]
        lines.append(_row(detector.name, *cells, str(found.incidents), str(found.mistakes)))
    return "\n".join(lines)


def stall_table(results: Results) -> str:
    """Return what one stall of our own leads to."""
    lines = [
        _row("detector", *(trace.name for trace in TRACES)),
        _row("---", *["---:"] * len(TRACES)),
    ]
    for detector in DETECTORS:
        cells = []
        for trace in TRACES:
            stalled, calm = (
                results.stalls[trace.name, detector.name, for_s] for for_s in (STALL_S, 0.0)
            )
            cells.append(f"{stalled.mistakes} / {calm.mistakes}")
        lines.append(_row(detector.name, *cells))
    return "\n".join(lines)


def plot(results: Results) -> str:
    """Return the picture: how late the dead are found, how often the living are lost."""
    curves = [
        Curve(f"{detector.name.replace('`', '')}{told}", times[QUIET.name, detector.name], look)
        for detector, times, told, look in (
            (ADAPTIVE, results.talk_s, ", talking", "talk"),
            (ADAPTIVE, results.idle_s, ", idle", "ours"),
            (ADAPTIVE_30, results.idle_s, ", idle", "ours"),
            (SEED, results.idle_s, "", "seed"),
            (LISTED, results.idle_s, "", "listed"),
        )
    ]
    rows = []
    for trace in TRACES:
        ours = results.mistakes[trace.name, ADAPTIVE.name]
        seed = results.mistakes[trace.name, SEED.name]
        counts = {
            "talk": (ours, ours.in_talk),
            "ours": (ours, ours.idle),
            "seed": (seed, seed.idle + seed.in_talk),
        }
        rates = {look: found.per_1000_days(count) for look, (found, count) in counts.items()}
        bounds = {look: found.bound_per_1000_days for look, (found, _) in counts.items()}
        rows.append(Row(trace.name, rates, bounds))
    return drawn(curves, rows)


def _spread(times_s: Sequence[float]) -> list[str]:
    if not times_s:
        return ["-"] * 3
    places = (0.5, 0.95, 1.0)
    last = len(times_s) - 1
    return [f"{times_s[round(place * last)]:.1f} s" for place in places]


def _rate(found: Mistakes, count: int) -> str:
    """Return a count as a rate, or what it is rarer than."""
    if not count:
        return f"0 (< {_short(found.bound_per_1000_days)})"
    return _short(found.per_1000_days(count))


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"  # noqa: PLR2004 (as it reads best)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def written(text: str, results: Results) -> str:
    """Return the page with all its tables renewed."""
    text = renewed(text, "traces", traces_table())
    text = renewed(text, "detection", detection_table(results))
    text = renewed(text, "mistakes", mistakes_table(results))
    text = renewed(text, "patience", trade_table(results))
    text = renewed(text, "stalls", stall_table(results))
    return renewed(text, "mass death", mass_table(results))


def main(arguments: list[str] | None = None) -> int:
    """Renew the page's tables and its picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.detector_page")
    parser.add_argument("--days", type=float, default=DAYS, help="of each trace, device-days")
    parser.add_argument("--deaths", type=int, default=DEATHS, help="in each trace")
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor() as pool:
        results = all_measured(options.days, options.deaths, pool.map)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    PLOT.write_text(plot(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
