"""The metrics of several workers as one scrape: each series with the worker that has it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LABEL = "worker"
UP, UP_HELP = "keepline_worker_up", "1 while that worker answers."


def labelled(texts: Mapping[int, str], slots: Sequence[int]) -> str:
    """Return the expositions of workers, by slot, as one; `slots` are all there should be.

    A family is described once, and its series stand together, as the format has it. Numbers are
    not added up: a counter of a worker that was started again would take the sum back.
    """
    head: dict[str, list[str]] = {}
    series: dict[str, list[str]] = {}
    for slot, text in texts.items():
        family = ""
        for line in text.splitlines():
            if line.startswith("#"):
                family = line.split(" ", 3)[2]
                described = head.setdefault(family, [])
                if line not in described:
                    described.append(line)
            elif line:
                series.setdefault(family, []).append(_with_label(line, slot))
    up = [f'{UP}{{{LABEL}="{slot}"}} {int(slot in texts)}' for slot in slots]
    found = [
        line for family, described in head.items() for line in (*described, *series.get(family, ()))
    ]
    return "\n".join((*found, f"# HELP {UP} {UP_HELP}", f"# TYPE {UP} gauge", *up, ""))


def _with_label(line: str, slot: int) -> str:
    """Return a sample with the label in front of those it has."""
    name, brace, rest = line.partition("{")
    if brace and " " not in name:
        return f'{name}{{{LABEL}="{slot}",{rest}'
    name, _, value = line.partition(" ")
    return f'{name}{{{LABEL}="{slot}"}} {value}'
