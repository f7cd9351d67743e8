"""Prints the last full bench run into README.md: `python -m tools.readme_numbers [--check]`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.candidates import CANDIDATES
from bench.plan import Plan
from bench.readings import Measured, Reading, Results
from bench.targets import Look, NotMeasuredError, Target, targets, verdict
from tools.generated import renewed, run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results" / "latest.json"
NOTHING_YET = (
    "No full run is committed yet: `make bench` makes one, and [benchmarks](docs/benchmarks.md)"
    " says what is measured and how."
)
_WORDS = {True: "met", False: "**not met**", None: "open"}


def numbers(path: Path) -> str:
    """Return what was measured as Markdown: a table, and on which machine; or that nothing was."""
    if not path.exists():
        return NOTHING_YET
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return f"{_table(found)}\n\n{_circumstances(found)}"


def _table(found: dict[str, Any]) -> str:
    results: Results = {
        name: Measured(
            {figure: _reading(reading) for figure, reading in measured["readings"].items()}
        )
        for name, measured in found["candidates"].items()
    }
    names = [candidate.name for candidate in CANDIDATES if candidate.name in results]
    lines = [
        _row("figure", "target", "", *names),
        _row("---", "---", "---", *["---:"] * len(names)),
    ]
    plan = Plan(**{**found["plan"], "fleets": tuple(found["plan"]["fleets"])})
    for target in targets(plan):
        aim = target.aim.replace("\n", " ")
        cells = [_cell(target, results, name) for name in names]
        lines.append(_row(target.what, aim, _WORDS[verdict(target, results)], *cells))
    return "\n".join(lines)


def _reading(stored: dict[str, Any]) -> Reading:
    return Reading(stored["unit"], stored["values"], doubts=stored["doubts"])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(target: Target, results: Results, name: str) -> str:
    look = Look(results)
    try:
        value = target.value(look, name)
        doubtful = any(look.reading(figure, name).doubts for figure in target.figures)
    except NotMeasuredError:
        return "-"
    return f"{_number(value)} {target.unit}{' !' if doubtful else ''}"


def _number(value: float) -> str:
    if abs(value) >= 100:  # noqa: PLR2004 (three digits are shown, whatever the size)
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004 (as above)


def _circumstances(found: dict[str, Any]) -> str:
    machine = found["machine"]
    memory_gib = round(machine["memory_kib"] / 1_048_576)
    return (
        f"{found['when'][:10]}, {machine['cpu']}, {machine['cores']} cores, {memory_gib} GiB,"
        f" {machine['system']}, Python {machine['python']}. `floor` is a bare `asyncio.Protocol`"
        " that does the same work on the wire and nothing else; `!` marks a value that the bench"
        " itself doubts. [Benchmarks](docs/benchmarks.md) says how each figure is read."
    )


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run(
        "python -m tools.readme_numbers",
        PAGE,
        lambda text: renewed(text, "numbers", numbers(RESULTS)),
        arguments,
    )


if __name__ == "__main__":
    raise SystemExit(main())
