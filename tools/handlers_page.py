"""Prints the example and the session into docs/handlers.md.

`python -m tools.handlers_page [--check]`
"""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path

from keepline.gateway.session import Session
from keepline.gateway.threads import ThreadedSession
from tools.generated import renewed, run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "handlers.md"
EXAMPLE = "examples/egg_timer.py"
METHODS = "keepline.Session"
ASKED = ("send", "send_text", "send_audio", "speak", "stop_speaking", "call_tool", "tools", "after")
ENDED = ("spawn", "save", "close")


def main(arguments: list[str] | None = None) -> int:
    """Renew the page, or with --check say whether it is stale (1) or not (0)."""
    return run("python -m tools.handlers_page", PAGE, _renew, arguments)


def _renew(text: str) -> str:
    source = (ROOT / EXAMPLE).read_text(encoding="utf-8").rstrip()
    return renewed(renewed(text, EXAMPLE, f"```python\n{source}\n```"), METHODS, _methods())


def _methods() -> str:
    """Return a table of what can be asked of a session, from its signatures and docstrings."""
    rows = [_row(Session, name) for name in (*ASKED, *ENDED)]
    return "\n".join(["| call | what it does |", "|---|---|", *rows, _row(ThreadedSession, "wait")])


def _row(owner: type, name: str) -> str:
    function = getattr(owner, name)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    bare = [each.replace(annotation=each.empty, default=_shown(each)) for each in parameters]
    awaited = "await " if inspect.iscoroutinefunction(function) else ""
    call = str(inspect.Signature(bare))
    told = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    return f"| `{awaited}session.{name}{call}` | {told} |"


class _Name:
    """Prints as it is written."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _shown(parameter: inspect.Parameter) -> object:
    default = parameter.default
    return _Name(str(default)) if isinstance(default, Enum) else default


if __name__ == "__main__":
    raise SystemExit(main())
