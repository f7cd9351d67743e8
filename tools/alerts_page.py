"""Prints what to do about alerts into docs/alerts.md: `python -m tools.alerts_page [--check]`."""

from __future__ import annotations

from pathlib import Path

from keepline.monitor.alerts.advice import ADVICE
from tools.generated import renewed, run

PAGE = Path(__file__).parents[1] / "docs" / "alerts.md"


def print_table() -> str:
    """Return a row for whatever an alert can be about."""
    rows = [f"| `{about}` | {kind} | {text} |" for (about, kind), text in ADVICE.items()]
    return "\n".join(["| about | kind | what to do |", "|---|---|---|", *rows])


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run(
        "python -m tools.alerts_page",
        PAGE,
        lambda text: renewed(text, "advice", print_table()),
        arguments,
    )


if __name__ == "__main__":
    raise SystemExit(main())
