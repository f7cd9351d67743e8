"""The tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from bench.candidates import CANDIDATES, KEEPLINE
from bench.targets import Results, targets, verdict

if TYPE_CHECKING:
    from rich.console import Console

    from bench.plan import Plan
    from bench.readings import Reading

_WORDS = {True: "[green]met[/]", False: "[red]not met[/]", None: "[dim]not measured[/]"}
_ELSEWHERE = "Drain, attack and conformance targets are measured by the test suite, not here."


def print_tables(console: Console, plan: Plan, results: Results) -> None:
    """The design's targets first, then every figure of every candidate."""
    console.print(_target_table(plan, results))
    console.print(f"[dim]x is Keepline's figure over the other's. {_ELSEWHERE}[/]\n")
    console.print(_figure_table(results))
    doubts = _doubts(results)
    if doubts:
        console.print("\n[yellow]! Doubtful, repeat on a quiet machine:[/]")
        for doubt in doubts:
            console.print(f"  {doubt}", highlight=False)
    for name, measured in results.items():
        for failure in measured.failures:
            console.print(f"[red]failed[/] {name}: {failure}", highlight=False, markup=True)


def _others(results: Results) -> list[str]:
    return [candidate.name for candidate in CANDIDATES if candidate.name in results]


def _target_table(plan: Plan, results: Results) -> Table:
    peers = [name for name in _others(results) if name != KEEPLINE]
    table = Table(title="Targets", title_justify="left", show_lines=True)
    table.add_column("figure", max_width=34)
    table.add_column("target", max_width=20)
    table.add_column(KEEPLINE, justify="right", style="bold")
    table.add_column("")
    for name in peers:
        table.add_column(name, justify="right")
    for target in targets(plan):
        ours = _reading(results, KEEPLINE, target.figure)
        cells = [_with_ratio(_reading(results, name, target.figure), ours) for name in peers]
        word = _WORDS[verdict(target, results)]
        table.add_row(target.what, target.aim, _value(ours), word, *cells)
    return table


def _figure_table(results: Results) -> Table:
    names = _others(results)
    figures = dict.fromkeys(figure for name in names for figure in results[name].readings)
    table = Table(title="All figures: median (min-max)", title_justify="left")
    table.add_column("figure")
    for name in names:
        table.add_column(name, justify="right")
    for figure in figures:
        table.add_row(figure, *(_spread(_reading(results, name, figure)) for name in names))
    return table


def _reading(results: Results, name: str, figure: str) -> Reading | None:
    measured = results.get(name)
    return measured.readings.get(figure) if measured else None


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _value(reading: Reading | None) -> str:
    if reading is None:
        return "-"
    mark = " !" if reading.doubts else ""
    return f"{_number(reading.median)} {reading.unit}{mark}"


def _with_ratio(reading: Reading | None, ours: Reading | None) -> str:
    if reading is None or ours is None or reading.median <= 0:
        return _value(reading)
    return f"{_value(reading)}\nx {ours.median / reading.median:.2f}"


def _spread(reading: Reading | None) -> str:
    if reading is None or len(reading.values) == 1:
        return _value(reading)
    spread = f"({_number(min(reading.values))}-{_number(max(reading.values))})"
    return f"{_value(reading)} {spread}"


def _doubts(results: Results) -> list[str]:
    return [
        f"{name} {figure}: {', '.join(reading.doubts)}"
        for name, measured in results.items()
        for figure, reading in measured.readings.items()
        if reading.doubts
    ]
