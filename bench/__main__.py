"""`python -m bench`: measures every candidate, prints the targets, writes the raw figures."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.candidates import CANDIDATES, Candidate
from bench.figures import FIGURES
from bench.plan import FULL, QUICK, Plan
from bench.procfs import raise_open_files_limit
from bench.readings import BenchError, Measured, Results
from bench.report import Report
from bench.table import print_tables

RESULTS = Path(__file__).parent / "results"


def run(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run of 1,000 connections, a few minutes.")
    ] = False,
    only: Annotated[
        str, typer.Option(help="Candidates and/or figures, comma-separated: floor,keepline,life.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the raw figures instead of tables.")
    ] = False,
) -> None:
    """Measure Keepline beside the bare floor, picows, websockets and aiohttp, on the same work."""
    candidates, figures = _chosen(only)
    plan = QUICK if quick else FULL
    raise_open_files_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that children are ended
    began = time.monotonic()
    report = Report(plan, candidates)
    results = _measure(plan, candidates, figures)
    found = report.of(results, took_s=time.monotonic() - began)
    whole = not quick and not only
    path = RESULTS / ("latest.json" if whole else "partial.json")
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        console = Console(width=None if sys.stdout.isatty() else 120)
        print_tables(console, plan, results)
        console.print(f"\n{found['took_s']} s; raw figures: bench/results/{path.name}")
    if any(measured.failures for measured in results.values()):
        raise typer.Exit(1)


def _chosen(only: str) -> tuple[list[Candidate], list[str]]:
    words = {word.strip() for word in only.split(",") if word.strip()}
    names = {candidate.name for candidate in CANDIDATES}
    if unknown := words - names - FIGURES.keys():
        known = ", ".join([*sorted(names), *FIGURES])
        raise typer.BadParameter(f"{', '.join(sorted(unknown))} is none of {known}")
    some = words & names or names
    candidates = [candidate for candidate in CANDIDATES if candidate.name in some]
    wanted = words & FIGURES.keys() or FIGURES.keys()
    return candidates, [figure for figure in FIGURES if figure in wanted]


def _measure(plan: Plan, candidates: list[Candidate], figures: list[str]) -> Results:
    """Figure by figure, so that candidates to be compared run close together in time."""
    results = {candidate.name: Measured() for candidate in candidates}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=len(candidates) * len(figures))
        for figure in figures:
            for candidate in candidates:
                progress.update(task, description=f"{figure:5} {candidate.name:10}")
                measured = results[candidate.name]
                began = time.monotonic()
                try:
                    measured.readings |= FIGURES[figure](candidate, plan)
                except (BenchError, OSError, LookupError) as error:
                    measured.failures.append(f"{figure}: {error}")
                took_s = time.monotonic() - began
                failed = " [red]failed[/]" if measured.failures else ""
                progress.console.print(f"[dim]{figure} {candidate.name} {took_s:.0f} s[/]{failed}")
                progress.advance(task)
    return results


if __name__ == "__main__":
    typer.run(run)
