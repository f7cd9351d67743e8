"""What expressions for Prometheus name: series, and labels with the values they are compared to."""

from __future__ import annotations

import re
from functools import cache

from tools.metrics_page import Family, families

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_SERIES = re.compile(r"(?<![\w:.])(?:[\w:]*keepline_\w+(?::\w+)*|process_\w+)(?![\w:.(])")
_SELECTED = re.compile(r"(\w+)\{([^}]*)\}")
_COMPARED = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")


@cache
def by_series() -> dict[str, Family]:
    """Return the family of each name that can stand in an expression."""
    return {name: family for family in families().values() for name in family.series}


def named_in(expression: str) -> set[str]:
    """Return the series of ours that an expression names; `a:b:c` are recorded by rules."""
    return set(_SERIES.findall(_STRING.sub('""', expression)))


def wrong_labels(expression: str) -> list[str]:
    """Return what labels are compared to that they can never be, and labels that are not there."""
    wrong = []
    for name, selector in _SELECTED.findall(expression):
        family = by_series().get(name)
        if family is None:
            continue
        for label, how, value in _COMPARED.findall(selector):
            if label in {"job", "instance", "le"}:
                continue
            known = family.labels.get(label)
            if known is None:
                wrong.append(f"{name} has no {label}")
            elif known and how in {"=", "!="} and value not in known:
                wrong.append(f"{name}: {label} is never {value}")
            elif known and how in {"=~", "!~"}:
                parts = value.split("|")
                wrong += [f"{name}: {label} is never {part}" for part in parts if part not in known]
    return wrong
