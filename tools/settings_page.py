"""Prints every setting into docs/settings.md: `python -m tools.settings_page [--check]`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from keepline.cli.known import Known, known_settings
from keepline.settings import Settings
from tools.generated import renewed, run

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def settings_reference() -> str:
    """Return a heading, an explanation and a table for each section, as Markdown."""
    sections: dict[str, list[tuple[str, Known]]] = {}
    explained: dict[str, str] = {}
    for name, known in known_settings().items():
        sections.setdefault(name.rpartition(".")[0], []).append((name, known))
    for section in sections:
        text = _explanation(section)
        first = next((name for name, other in explained.items() if other == text), None)
        explained[section] = text if first is None else f"As `{first}`, with defaults of its own."
    return "\n\n".join(
        _section(section, explained[section], inside) for section, inside in sections.items()
    )


def _section(name: str, explanation: str, inside: list[tuple[str, Known]]) -> str:
    rows = [f"| `{full}` | {_default(known.default)} | {known.allowed} |" for full, known in inside]
    table = "\n".join(["| setting | default | takes |", "|---|---|---|", *rows])
    return f"### {name or 'without a section'}\n\n{explanation}\n\n{table}"


def _explanation(section: str) -> str:
    described: Any = Settings()
    for step in filter(None, section.split(".")):
        described = described[step] if isinstance(described, dict) else getattr(described, step)
    return inspect.getdoc(type(described)) or ""


def _default(value: object) -> str:
    match value:
        case None | () | "":
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
        case _:
            return f"{value}"


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run(
        "python -m tools.settings_page",
        PAGE,
        lambda text: renewed(text, "settings", settings_reference()),
        arguments,
    )


if __name__ == "__main__":
    raise SystemExit(main())
