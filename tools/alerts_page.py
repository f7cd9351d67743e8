"""Prints what is done about alerts into docs/alerts.md: `python -m tools.alerts_page [--check]`."""

from __future__ import annotations

from pathlib import Path

from keepline.app.deeds import ABOUT
from keepline.app.remedies import REMEDIES
from keepline.monitor.alerts.advice import ADVICE
from tools.generated import renewed, run

PAGE = Path(__file__).parents[1] / "docs" / "alerts.md"


def print_table() -> str:
    """Return a row for whatever an alert can be about."""
    rows = [f"| `{about}` | {kind} | {text} |" for (about, kind), text in ADVICE.items()]
    return "\n".join(["| about | kind | what to do |", "|---|---|---|", *rows])


def print_deeds() -> str:
    """Return a row for whatever an alert can be about: what is done, and what is counted of it."""
    rows = [_deeds(about, kind) for about, kind in ADVICE]
    return "\n".join(["| about | kind | what Keepline does by itself |", "|---|---|---|", *rows])


def _deeds(about: str, kind: str) -> str:
    signal = ABOUT.get(about)
    governed = f"what the [governor](governor.md#what-is-done) does about `{signal}`"
    done = [] if signal is None else [governed]
    for remedy in REMEDIES.get((about, kind), ()):
        counted = f" ({', '.join(remedy.counts)})" if remedy.counts else ""
        done.append(f"{remedy.action}{counted}")
    return f"| `{about}` | {kind} | {'; '.join(done) or 'nothing, and says why'} |"


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run(
        "python -m tools.alerts_page",
        PAGE,
        lambda text: renewed(renewed(text, "advice", print_table()), "deeds", print_deeds()),
        arguments,
    )


if __name__ == "__main__":
    raise SystemExit(main())
