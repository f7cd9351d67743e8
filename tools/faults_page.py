"""Prints the table of faults, with what follows from each, into docs/isolation.md.

python -m tools.faults_page [--check]
"""

from __future__ import annotations

import errno
from pathlib import Path

from keepline.lifecycle.faults import TABLE, Action, Source, Strategy
from tools.generated import renewed, run

PAGE = Path(__file__).parents[1] / "docs" / "isolation.md"

DONE = {
    Action.CLOSE: "close",
    Action.RELEASE: "give up waiting audio and caches, close",
}


def print_table() -> str:
    """Return the rows in the order in which they are asked."""
    head = "| class | who is meant | lost socket | handler | Keepline itself | done | counted |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_row, TABLE)])


def _row(row: Strategy) -> str:
    kinds = [f"`{kind.__name__}`" for kind in row.types]
    kinds += [f"`{errno.errorcode[number]}`" for number in sorted(row.errnos)]
    reasons = [_reason(row, source) for source in (Source.SOCKET, Source.HANDLER, Source.US)]
    counted = "yes" if row.counted else "no"
    counted += ", unless the session has ended" if row.moot else ""
    cells = [f"`{row.fault.value}`", ", ".join(kinds), *reasons, DONE[row.action], counted]
    return f"| {' | '.join(cells)} |"


def _reason(row: Strategy, source: Source) -> str:
    reason = {
        Source.SOCKET: row.from_socket,
        Source.HANDLER: row.from_handler,
        Source.US: row.from_us,
    }[source]
    return "its own" if reason is None else f"`{reason.cause}`"


def renew(text: str) -> str:
    """Return `text` with the table made anew. Raises ValueError without markers."""
    return renewed(text, "faults", print_table())


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.faults_page", page, renew, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
