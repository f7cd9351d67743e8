"""Prints the transition table into docs/lifecycle.md.

python -m tools.lifecycle_page [--check]
"""

from __future__ import annotations

from pathlib import Path

from keepline.lifecycle.states import ORIGINS, TABLE, State
from tools.generated import renewed, run

PAGE = Path(__file__).parents[1] / "docs" / "lifecycle.md"


def state_diagram() -> str:
    """Return the transitions that change the state, as a mermaid diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.CONNECTING}"]
    for state, rows in TABLE.items():
        leading: dict[State, list[str]] = {}
        for event, row in rows.items():
            if row.next is not state:
                leading.setdefault(row.next, []).append(event)
        lines += [f"    {state} --> {to} : {', '.join(by)}" for to, by in leading.items()]
    return "\n".join([*lines, f"    {State.CLOSED} --> [*]", "```"])


def transition_table() -> str:
    """Return every row of the table, as a Markdown table."""
    lines = ["| in | on | goes to | and does |", "|---|---|---|---|"]
    for state, rows in TABLE.items():
        for event, row in rows.items():
            to = "stays" if row.next is state else row.next
            lines.append(f"| {state} | {event} | {to} | {', '.join(row.effects) or '-'} |")
    return "\n".join(lines)


def table_of_origins() -> str:
    """Return who begins each event's transition and why, as a Markdown table."""
    lines = ["| event | begun by | because |", "|---|---|---|"]
    lines += [
        f"| {event} | {origin.initiator} | {origin.cause} |" for event, origin in ORIGINS.items()
    ]
    return "\n".join(lines)


PARTS = {
    "state diagram": state_diagram,
    "origins": table_of_origins,
    "transition table": transition_table,
}


def renew(text: str) -> str:
    """Return `text` with every generated part made anew. Raises ValueError without markers."""
    for name, print_part in PARTS.items():
        text = renewed(text, name, print_part())
    return text


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.lifecycle_page", page, renew, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
