"""Tries the rules on series that are made up, into docs/rules.md: `python -m tools.rules_page`.

Minutes of work on every core, and the same numbers each time; `--runs 1` for a quick look.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.words import duration, number
from tools.generated import renewed
from tools.rules_plot import Panel, Strip, drawn
from tools.rules_series import DAY, HOUR, MB, ONSET_S, QUIET, WRONG
from tools.rules_trial import OURS, SEED, Fired, tried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.rules_series import Story

PAGE: Final = Path(__file__).parents[1] / "docs" / "rules.md"
PLOT: Final = PAGE.with_suffix(".svg")
DAYS: Final = 2  # of each quiet series
RUNS: Final = 10  # of each in which something goes wrong
TRENDS_S: Final = ONSET_S + 4 * HOUR
OTHERS_S: Final = ONSET_S + HOUR

_COLUMNS: Final = {
    "threshold": ("threshold",),
    "trend": ("trend",),
    "anomaly": ("outlier", "shift"),
    **{name: (name,) for name in SEED},
}


class Run(NamedTuple):
    """One series that was played, by its story's name; what is wanted for the plot only."""

    story: str
    fired: list[Fired]
    took_s: list[float]


def length_of(story: Story) -> int:
    """Return how long a series has to be for its fault to be found, in seconds."""
    if story.wrong is None:
        return DAY
    slow = "leak" in story.name or story.name in {"growth", "open files"}
    return TRENDS_S if slow else OTHERS_S


def played(name: str, seed: int) -> Run:
    """Play one series."""
    [story] = [story for story in (*QUIET, *WRONG) if story.name == name]
    trial = tried(story, length_of(story), f"{name} {seed}")
    return Run(name, trial.fired, trial.took_s)


def quiet_table(runs: Sequence[Run]) -> str:
    """Return how often each rule was raised in a day in which nothing is wrong."""
    lines = [_row("series", "", *OURS, *SEED), _row("---", "---", *["---:"] * len(OURS + SEED))]
    for story in QUIET:
        mine = [run for run in runs if run.story == story.name]
        counts = [
            sum(fired.rule == rule for run in mine for fired in run.fired) / len(mine)
            for rule in OURS + SEED
        ]
        lines.append(_row(story.name, story.told, *(number(count) for count in counts)))
    return "\n".join(lines)


def wrong_table(runs: Sequence[Run]) -> str:
    """Return how long after something went wrong each rule told so, the median."""
    lines = [_row("what", "", *_COLUMNS), _row("---", "---", *["---:"] * len(_COLUMNS))]
    for story in WRONG:
        mine = [run for run in runs if run.story == story.name]
        cells = [_delay(story, mine, rules) for rules in _COLUMNS.values()]
        lines.append(_row(story.name, story.told, *cells))
    return "\n".join(lines)


def _delay(story: Story, runs: Sequence[Run], rules: Sequence[str]) -> str:
    told = [
        [fired for fired in run.fired if fired.rule in rules and fired.gauge is story.wrong]
        for run in runs
    ]
    after = [[fired.end_s for fired in each if fired.end_s >= ONSET_S] for each in told]
    delays = [
        max(0.0, min(fired.start_s for fired in each if fired.end_s >= ONSET_S) - ONSET_S)
        for each, later in zip(told, after, strict=True)
        if later
    ]
    if not delays:
        return "-"
    early = any(fired.start_s < ONSET_S for each in told for fired in each)
    some = "" if len(delays) == len(runs) else f" ({len(delays)} of {len(runs)})"
    return f"{duration(median(delays))}{some}{' !' if early else ''}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def plot() -> str:
    """Return three series in which the rules differ most."""
    return drawn(
        [
            _panel("daily season", "A day's season: nothing is wrong", Gauge.CONNECTIONS, "", 1),
            _panel("steps of load", "Steps of load: nothing is wrong", Gauge.CONNECTIONS, "", 1),
            _panel("leak in noise", "A leak of 400 MB an hour", Gauge.MEMORY_BYTES, "MB", MB),
        ]
    )


def _panel(name: str, title: str, gauge: Gauge, unit: str, scale: float) -> Panel:
    [story] = [story for story in (*QUIET, *WRONG) if story.name == name]
    length_s = length_of(story)
    trial = tried(story, length_s, f"{name} 0")
    strips = [
        Strip(
            rule,
            rule in OURS,
            [
                (fired.start_s, fired.end_s)
                for fired in trial.fired
                if fired.rule == rule and fired.gauge is gauge
            ],
        )
        for rule in ("trend", "seed's slope", "seed's growth")
    ]
    onset_s = None if story.wrong is None else ONSET_S
    return Panel(title, unit, scale, trial.columns[gauge], length_s, onset_s, strips)


def all_runs(
    days: int, runs: int, spread: Callable[..., Iterable[Run]] = map
) -> tuple[list[Run], list[Run]]:
    """Play everything, and return the quiet runs and the others."""
    asked = [
        *((story.name, seed) for story in QUIET for seed in range(days)),
        *((story.name, seed) for story in WRONG for seed in range(runs)),
    ]
    done = list(spread(played, *zip(*asked, strict=True)))
    quiet = days * len(QUIET)
    return done[:quiet], done[quiet:]


def main(arguments: list[str] | None = None) -> int:
    """Renew the page's tables and its picture; say on stderr what evaluations cost."""
    parser = argparse.ArgumentParser(prog="python -m tools.rules_page")
    parser.add_argument("--days", type=int, default=DAYS, help="of each quiet series")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each with a fault")
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor() as pool:
        quiet, wrong = all_runs(options.days, options.runs, pool.map)
    text = PAGE.read_text(encoding="utf-8")
    text = renewed(text, "quiet days", quiet_table(quiet))
    text = renewed(text, "faults", wrong_table(wrong))
    PAGE.write_text(text, encoding="utf-8")
    PLOT.write_text(plot(), encoding="utf-8")
    took_ms = [1_000 * took_s for run in quiet for took_s in run.took_s]
    worst_ms = quantiles(took_ms, n=1_000)[-1]
    sys.stderr.write(
        f"CPU time of {len(took_ms):,} evaluations: {fmean(took_ms):.2f} ms each,"
        f" {worst_ms:.2f} ms at p99.9\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
