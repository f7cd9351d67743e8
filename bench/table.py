"""The tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from bench.candidates import CANDIDATES, KEEPLINE
from bench.targets import Look, NotMeasuredError, Target, targets, verdict

if TYPE_CHECKING:
    from rich.console import Console

    from bench.plan import Plan
    from bench.readings import Reading, Results

_WORDS = {True: "[green]met[/]", False: "[red]not met[/]", None: "[dim]open[/]"}
_FOOT = (
    "In brackets: Keepline's figure as a multiple of the other's. Conformance is a target, too;\n"
    "the test suite measures it, not this bench."
)


def print_tables(console: Console, plan: Plan, results: Results) -> None:
    """The design's targets first, then every figure of every candidate, then what to doubt."""
    console.print(_target_table(plan, results))
    console.print(f"[dim]{_FOOT}[/]\n")
    console.print(_figure_table(results))
    doubts = _doubts(results)
    if doubts:
        console.print("\n[yellow]! Doubtful; repeat on a quiet machine:[/]")
    for doubt in doubts:
        console.print(f"  {doubt}", highlight=False)
    for name, measured in results.items():
        for failure in measured.failures:
            console.print(f"[red]failed[/] {name}: ", end="")
            console.print(failure, markup=False, highlight=False)


def _names(results: Results) -> list[str]:
    return [candidate.name for candidate in CANDIDATES if candidate.name in results]


def _target_table(plan: Plan, results: Results) -> Table:
    peers = [name for name in _names(results) if name != KEEPLINE]
    table = Table(title="Targets", title_justify="left", box=box.SIMPLE)
    table.add_column("figure")
    table.add_column("target", no_wrap=True)
    table.add_column(KEEPLINE, justify="right", style="bold", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in peers:
        table.add_column(name, justify="right", no_wrap=True)
    for target in targets(plan):
        ours, shown = _shown(target, results, KEEPLINE)
        word = _WORDS[verdict(target, results)]
        cells = [_beside(target, results, name, ours) for name in peers]
        table.add_row(target.what, target.aim, shown, word, *cells)
    return table


def _shown(target: Target, results: Results, name: str) -> tuple[float | None, str]:
    look = Look(results)
    try:
        value = target.value(look, name)
        doubtful = any(look.reading(figure, name).doubts for figure in target.figures)
    except NotMeasuredError:
        return None, "-"
    return value, f"{_number(value)} {target.unit}{' !' if doubtful else ''}"


def _beside(target: Target, results: Results, name: str, ours: float | None) -> str:
    value, shown = _shown(target, results, name)
    if value is None or ours is None or min(ours, value) <= 0:
        return shown
    return f"{shown}\n({_number(ours / value)})"


def _figure_table(results: Results) -> Table:
    names = _names(results)
    figures = dict.fromkeys(figure for name in names for figure in results[name].readings)
    title = "All figures: median, min-max of the repeats"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    table.add_column("figure", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for figure in figures:
        table.add_row(figure, *(_spread(results[name].readings.get(figure)) for name in names))
    return table


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _spread(reading: Reading | None) -> str:
    if reading is None:
        return "-"
    shown = f"{_number(reading.median)} {reading.unit}{' !' if reading.doubts else ''}"
    if len(reading.values) == 1:
        return shown
    return f"{shown}\n{_number(min(reading.values))}-{_number(max(reading.values))}"


def _doubts(results: Results) -> list[str]:
    figures: dict[tuple[str, str], list[str]] = {}
    for name, measured in results.items():
        for figure, reading in measured.readings.items():
            for doubt in reading.doubts:
                figures.setdefault((name, doubt), []).append(figure)
    return [f"{name} {', '.join(where)}: {doubt}" for (name, doubt), where in figures.items()]
