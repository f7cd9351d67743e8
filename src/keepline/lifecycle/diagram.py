"""Prints the table, and the list of reasons, into the documentation between markers.

python -m keepline.lifecycle.diagram docs/lifecycle.md [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keepline.lifecycle.states import TABLE, State
from keepline.reasons import CloseReason


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


def reason_table() -> str:
    """Return every reason a connection can end with, as a Markdown table."""
    lines = ["| cause | initiator | close code | HTTP status |", "|---|---|---|---|"]
    for reason in CloseReason:
        code, status = reason.code or "-", reason.status or "-"
        lines.append(f"| `{reason.cause}` | {reason.initiator} | {code} | {status} |")
    return "\n".join(lines)


PARTS = {
    "state diagram": state_diagram,
    "transition table": transition_table,
    "reasons": reason_table,
}


def renew(text: str) -> str:
    """Return `text` with what stands between each pair of markers made anew.

    Raises ValueError when a marker is missing.
    """
    for name, print_part in PARTS.items():
        begin, end = f"<!-- begin {name}: generated -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"the markers {begin} and {end} are missing")
        text = f"{before}{begin}\n\n{print_part()}\n\n{end}{after}"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    parser = argparse.ArgumentParser(prog="python -m keepline.lifecycle.diagram")
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    options = parser.parse_args(arguments)
    page: Path = options.page
    text = page.read_text(encoding="utf-8")
    fresh = renew(text)
    if fresh == text:
        return 0
    if options.check:
        sys.stderr.write(f"{page} is stale: python -m keepline.lifecycle.diagram {page}\n")
        return 1
    page.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
