"""The way in, before any command is loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from keepline.cli import commands, entry

ENTERED = "keepline.cli.commands loads, and SIGINT is "
LOADING = f"""
import importlib.abc, signal, sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "keepline.cli.commands":
            print("{ENTERED}" + str(int(signal.getsignal(signal.SIGINT))))
            raise SystemExit(0)

sys.meta_path.insert(0, Watch())
from keepline.cli import main
main()
"""


@pytest.fixture(autouse=True)
def sigint() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("before", "handler"),
    [
        (  # as Python has it, also where whoever runs the tests ignores it
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n",
            signal.SIG_DFL,
        ),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n", signal.SIG_IGN),
    ],
)
def test_ctrl_c_while_commands_are_loaded_shows_nobody_a_stack(
    before: str, handler: signal.Handlers
) -> None:
    found = subprocess.run(
        [sys.executable, "-c", before + LOADING],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stdout == f"{ENTERED}{int(handler)}\n", found.stderr


@pytest.mark.parametrize(
    ("typed", "chosen"), [("serve", 1), ("demo", 1), ("version", 0), ("fleet", 0)]
)
def test_a_gateway_chooses_its_allocator_and_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch, typed: str, chosen: int
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(entry, "hold_standard_streams", lambda: called.append("streams"))
    monkeypatch.setattr(entry, "use_system_allocator", lambda: called.append("allocator"))
    monkeypatch.setattr(commands, "app", lambda **named: called.append(named))
    monkeypatch.setattr(sys, "argv", ["keepline", typed])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    entry.main()
    assert called == ["streams", *["allocator"] * chosen, {"prog_name": "keepline"}]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
