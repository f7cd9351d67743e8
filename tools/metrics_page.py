"""Prints every series that Prometheus is shown, with what to do about it, into docs/metrics.md.

python -m tools.metrics_page [--check]
"""

from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keepline.admin.machine.exposition import LABEL, UP, UP_HELP
from keepline.app.composition import Composition
from keepline.app.operators import metrics_of
from keepline.handlers.echo import Echo
from keepline.monitor.exposition import ShownCounter, ShownGauge
from keepline.settings import Settings
from tools.generated import renewed, run
from tools.metrics_uses import PARTS

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from keepline.monitor.exposition import Metrics

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
DOCUMENT = {"upstream": {"urls": ["ws://voice.example/"]}, "auth": {"token": "x" * 32}}
_LISTED = 9  # values of a label that are listed; of more it is said where they are


class Family(NamedTuple):
    """One name and what belongs to it; `labels` have all values each can have, () for open ones."""

    name: str
    type: str
    help: str
    labels: dict[str, tuple[str, ...]]

    @property
    def shown(self) -> str:
        """The name that stands in expressions; a histogram has `_bucket`, `_sum`, `_count`."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.type, "")

    @property
    def series(self) -> tuple[str, ...]:
        """Every name that stands in an exposition."""
        if self.type != "histogram":
            return (self.shown,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))


def families() -> dict[str, Family]:
    """Return all there are, by the name that is shown: a gateway is built, and never started."""
    of_workers = Family(UP, "gauge", UP_HELP, {LABEL: ()})
    return {family.shown: family for family in (*asyncio.run(_families()), of_workers)}


async def exposition() -> bytes:
    """Return what a scrape would be shown of a gateway that has just been built."""
    return await _metrics().text()


async def _families() -> list[Family]:
    metrics = _metrics()
    said = {
        each.name: {each.label: each.values}
        for each in metrics.shown
        if isinstance(each, ShownGauge | ShownCounter) and each.label is not None
    }
    return [
        Family(each.name, each.type, each.documentation, said.get(each.name) or _labels(each))
        for each in metrics.collect()
    ]


def _metrics() -> Metrics:
    settings = Settings.model_validate(DOCUMENT)
    built = Composition(
        settings, Echo, stream=StringIO(), authenticator=None, has_admin=False, heap=None
    )
    return metrics_of(built.node, built.sampler, built.alerting, built.upkeep, lambda: None)


def _labels(metric: Metric) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for sample in metric.samples:
        for name, value in sample.labels.items():
            if name != "le":
                found.setdefault(name, {})[value] = None
    return {} if metric.type == "info" else {name: tuple(each) for name, each in found.items()}


def print_tables() -> str:
    """Return a table for each subject. Raises KeyError for a use of what is not there."""
    there = families()
    lines = []
    for part, uses in PARTS.items():
        lines += [
            f"### {part}",
            "",
            "| name | type | labels | meaning | use |",
            "|---|---|---|---|---|",
        ]
        for name, use in uses.items():
            lines.append(_row(there.pop(name), use))
        lines.append("")
    if there:
        raise KeyError(f"tools/metrics_uses.py says nothing of {', '.join(there)}")
    return "\n".join(lines).rstrip()


def _row(family: Family, use: str) -> str:
    labels = "<br>".join(_label(name, values) for name, values in family.labels.items())
    help_ = family.help.replace("|", "\\|")
    return f"| `{family.shown}` | {family.type} | {labels or '-'} | {help_} | {use or '-'} |"


def _label(name: str, values: tuple[str, ...]) -> str:
    if not values:
        return f"`{name}`"
    if len(values) > _LISTED:
        return f"`{name}`: {len(values)} of them"
    return f"`{name}`: {', '.join(values)}"


def renew(text: str) -> str:
    """Return `text` with the tables made anew. Raises ValueError without markers."""
    return renewed(text, "metrics", print_tables())


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.metrics_page", page, renew, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
