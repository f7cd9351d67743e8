"""Tries what is learned of a week, into docs/rules.md: `python -m tools.rules_seasons_page`.

Some minutes of work, and the same numbers each time.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.rules.words import duration
from tools.generated import renewed
from tools.rules_seasons import QUIET, WEEKS, WRONG, Weeks, by_week, delay_s, made, played

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE: Final = Path(__file__).parents[1] / "docs" / "rules.md"


class Row(NamedTuple):
    """What came of some weeks: of each week how many anomalies, and when the fault was found."""

    before: list[int]
    now: list[int]
    before_s: float | None
    now_s: float | None


def tried(weeks: Weeks) -> Row:
    """Play weeks without what is learned of them, and with it."""
    them = made(weeks, f"{weeks.name} 0")
    before, now = (played(them, learning=learning).raised for learning in (False, True))
    wanted = [[each for each in raised if each.gauge is weeks.wrong] for raised in (before, now)]
    return Row(by_week(before), by_week(now), delay_s(wanted[0]), delay_s(wanted[1]))


def printed(rows: Sequence[Row]) -> str:
    """Return the tables of quiet weeks and of faults; `rows` in the order of QUIET and WRONG."""
    weeks = [f"week {number + 1}" for number in range(WEEKS)]
    lines = [_row("weeks", "", *weeks), _row("---", "---", *["---:"] * WEEKS)]
    for story, row in zip(QUIET, rows, strict=False):
        both = [f"{before} → {now}" for before, now in zip(row.before, row.now, strict=True)]
        lines.append(_row(story.name, story.told, *both))
    lines += ["", _row("fault in week 4", "", "before", "now"), "| --- | --- | ---: | ---: |"]
    for story, row in zip(WRONG, rows[len(QUIET) :], strict=True):
        lines.append(_row(story.name, story.told, _after(row.before_s), _after(row.now_s)))
    return "\n".join(lines)


def _after(delay_s: float | None) -> str:
    return "-" if delay_s is None else duration(delay_s)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Renew the tables of the page."""
    with ProcessPoolExecutor() as pool:
        rows = list(pool.map(_tried, range(len(QUIET) + len(WRONG))))
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), "seasons", printed(rows)), "utf-8")
    return 0


def _tried(number: int) -> Row:
    return tried((*QUIET, *WRONG)[number])


if __name__ == "__main__":
    raise SystemExit(main())
