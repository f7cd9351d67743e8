"""Prints the example into docs/handlers.md: `python -m tools.handlers_page [--check]`."""

from __future__ import annotations

from pathlib import Path

from tools.generated import renewed, run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "handlers.md"
EXAMPLE = "examples/egg_timer.py"


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    source = (ROOT / EXAMPLE).read_text(encoding="utf-8").rstrip()
    return run(
        "python -m tools.handlers_page",
        PAGE,
        lambda text: renewed(text, EXAMPLE, f"```python\n{source}\n```"),
        arguments,
    )


if __name__ == "__main__":
    raise SystemExit(main())
