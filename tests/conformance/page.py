"""The generated part of docs/conformance.md: expected.toml for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.expected import Expected

PAGE = Path(__file__).parents[2] / "docs/conformance.md"
BEGIN = "<!-- begin: generated from tests/conformance/expected.toml -->"
END = "<!-- end: generated -->"


def generated(expected: Expected) -> str:
    """Markdown: the groups with their counts, then every case that is not plainly OK."""
    by_group = [
        [entry for entry in expected.allowed if entry.case.startswith(f"{group.number}.")]
        for group in expected.group
    ]
    listed = len(expected.allowed)
    lines = [
        f"{expected.cases} cases: {expected.cases - listed} OK, {listed} listed below, no failure.",
        "",
        "| group | what it tests | cases | OK |",
        "| --- | --- | ---: | ---: |",
        *(
            f"| {group.number} | {group.title} | {group.cases} | {group.cases - len(entries)} |"
            for group, entries in zip(expected.group, by_group, strict=True)
        ),
        "",
        "| case | behaviour | close | reason |",
        "| --- | --- | --- | --- |",
        *(
            f"| {entry.case} | {entry.behavior} | {entry.close} | {entry.reason} |"
            for entry in expected.allowed
        ),
    ]
    return "\n".join(lines)


def renewed(page: str, expected: Expected) -> str:
    """The page with its generated part made anew. Raises ValueError when a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has lost its markers {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{generated(expected)}\n\n{END}{after}"


def write(expected: Expected) -> None:
    """Renew docs/conformance.md."""
    PAGE.write_text(renewed(PAGE.read_text(), expected))
