"""Parts of a page that are made from something else, and the command that renews them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def renewed(text: str, part: str, content: str) -> str:
    """Return `text` with `content` between the markers of `part`.

    Raises ValueError when a marker is missing.
    """
    begin, end = f"<!-- begin {part}: generated -->", f"<!-- end {part} -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"the markers {begin} and {end} are missing")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def run(
    command: str, page: Path, renew: Callable[[str], str], arguments: list[str] | None = None
) -> int:
    """Renew `page`, or with --check say whether it is stale (1) or not (0)."""
    parser = argparse.ArgumentParser(prog=command)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    options = parser.parse_args(arguments)
    text = page.read_text(encoding="utf-8")
    fresh = renew(text)
    if fresh == text:
        return 0
    if options.check:
        sys.stderr.write(f"{page} is stale: {command}\n")
        return 1
    page.write_text(fresh, encoding="utf-8")
    return 0
