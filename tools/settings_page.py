"""Prints every setting into docs/settings.md, between markers.

python -m tools.settings_page [--check]
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path

from keepline.cli.known import Known, known_settings
from keepline.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN = "<!-- begin settings: generated -->"
END = "<!-- end settings -->"


def settings_reference() -> str:
    """Return a heading, an explanation and a table for each section, as Markdown."""
    sections: dict[str, list[tuple[str, Known]]] = {}
    for name, known in known_settings().items():
        sections.setdefault(name.rpartition(".")[0], []).append((name, known))
    return "\n\n".join(_section(section, inside) for section, inside in sections.items())


def renew(text: str) -> str:
    """Return `text` with what stands between the markers made anew.

    Raises ValueError when a marker is missing.
    """
    before, found, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found and found_end):
        raise ValueError(f"the markers {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{settings_reference()}\n\n{END}{after}"


def _section(name: str, inside: list[tuple[str, Known]]) -> str:
    rows = [f"| `{full}` | {_default(known.default)} | {known.allowed} |" for full, known in inside]
    table = "\n".join(["| setting | default | takes |", "|---|---|---|", *rows])
    return f"### {name or 'without a section'}\n\n{_explanation(name)}\n\n{table}"


def _explanation(section: str) -> str:
    described = type(getattr(Settings(), section)) if section else Settings
    return inspect.getdoc(described) or ""


def _default(value: object) -> str:
    match value:
        case None:
            return "none"
        case float():
            return f"{value:g}"
        case _:
            return f"{value}"


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    parser = argparse.ArgumentParser(prog="python -m tools.settings_page")
    parser.add_argument("page", type=Path, nargs="?", default=PAGE)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    options = parser.parse_args(arguments)
    page: Path = options.page
    text = page.read_text(encoding="utf-8")
    fresh = renew(text)
    if fresh == text:
        return 0
    if options.check:
        sys.stderr.write(f"{page} is stale: python -m tools.settings_page\n")
        return 1
    page.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
