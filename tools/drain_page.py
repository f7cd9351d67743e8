"""Has 10,000 devices leave in virtual time, into docs/drain.md: `python -m tools.drain_page`.

A few minutes of work, and the same numbers each time; `--devices 1000` for a quick look.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.drain_plot import Panel, drawn
from tools.drain_trial import Trial
from tools.generated import renewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tools.drain_trial import Left

PAGE: Final = Path(__file__).parents[1] / "docs" / "drain.md"
PLOT: Final = PAGE.with_suffix(".svg")
DEVICES: Final = 10_000
SHARE_PER_S: Final = 0.06
"""How many of the devices may arrive in a second."""

PLOTTED_S: Final = 36
SEED: Final = 7


class Story(NamedTuple):
    """Which devices there are, in equal parts, and whether it is this node that takes them."""

    told: str
    kinds: tuple[str, ...]
    restarts: bool = False


MIXED: Final = ("told", "fixed", "backoff", "stock")
STORIES: Final = (
    Story("a quarter of each kind", MIXED),
    Story("all are told when to come back", ("told",)),
    Story("all come back after 10 s", ("fixed",)),
    Story("all come back after 1 s, then ever later", ("backoff",)),
    Story("a quarter of each kind; nobody takes them before the restart", MIXED, restarts=True),
    Story("all are told; nobody takes them before the restart", ("told",), restarts=True),
    Story("all try every 10 s; nobody takes them before", ("fixed",), restarts=True),
)


class Row(NamedTuple):
    """One story, as it was lived twice."""

    story: Story
    at_once: Left
    drained: Left

    @property
    def ratio(self) -> float:
        """The peak of the drain, of its plan."""
        assert self.drained.plan is not None, "it has had one"
        return self.drained.peak / self.drained.plan.rate_per_s


def lived(number: int, devices: int) -> Row:
    """Let the devices of one story go in both ways."""
    story = STORIES[number]

    def trial() -> Trial:
        mixture = dict.fromkeys(story.kinds, devices // len(story.kinds))
        return Trial(SEED, mixture, devices * SHARE_PER_S, restarts=story.restarts)

    return Row(story, trial().all_at_once(), trial().drained())


def all_rows(devices: int, spread: Callable[..., Iterable[Row]] = map) -> list[Row]:
    """Live every story."""
    return list(spread(lived, range(len(STORIES)), [devices] * len(STORIES)))


def table(rows: Sequence[Row]) -> str:
    """Return what arrived in the busiest second, and how long leaving took."""
    heads = ("devices", "at once", "planned", "drained", "of the plan", "left within", "planned")
    lines = [_row(*heads), _row("---", *["---:"] * 6)]
    for row in rows:
        plan = row.drained.plan
        assert plan is not None, "it has had one"
        lines.append(
            _row(
                row.story.told,
                f"{row.at_once.peak:,}",
                f"{plan.rate_per_s:,.0f}",
                f"{row.drained.peak:,}",
                f"{row.ratio:.2f}",
                f"{row.drained.took_s:.1f} s",
                f"{plan.eta_s:.1f} s",
            )
        )
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def plot(row: Row) -> str:
    """Return the arrivals of one story, second by second."""
    assert row.drained.plan is not None, "it has had one"
    rate_per_s = row.drained.plan.rate_per_s
    at_once, drained = (left.in_seconds(PLOTTED_S) for left in (row.at_once, row.drained))
    return drawn(
        [
            Panel("Everybody is told at once: arrivals in a second", False, at_once, rate_per_s),
            Panel("By plan: arrivals in a second", True, drained, rate_per_s),
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Renew the page's table and its picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.drain_page")
    parser.add_argument("--devices", type=int, default=DEVICES)
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor() as pool:
        rows = all_rows(options.devices, pool.map)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(renewed(text, "arrivals", table(rows)), encoding="utf-8")
    PLOT.write_text(plot(rows[0]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
