"""The process that is to take over: how it is started and ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from keepline.app import heir
from keepline.app.heir import HeirProcess, command_line
from keepline.errors import StartError
from tests.waiting import eventually

SLEEPS = "import time; time.sleep(3600)"


def test_another_program_gets_the_same_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/old/keepline", "serve", "--data", "d"])
    assert command_line("/new/keepline") == ["/new/keepline", "serve", "--data", "d"]


def test_a_script_is_started_by_its_name_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "keepline"
    script.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "serve"])
    monkeypatch.setattr(sys, "orig_argv", ["/old/python", str(script), "serve"])
    assert command_line(None) == [str(script), "serve"]


def test_a_module_is_started_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    started = ["/some/python", "-X", "dev", "-m", "keepline", "serve"]
    monkeypatch.setattr(sys, "argv", ["/some/keepline/__main__.py", "serve"])
    monkeypatch.setattr(sys, "orig_argv", started)
    assert command_line(None) == started


async def test_how_a_process_ended_is_known() -> None:
    ended = HeirProcess([sys.executable, "-c", "raise SystemExit(7)"])
    await eventually(lambda: ended.status() is not None)
    assert ended.status() == 7


async def test_a_process_is_told_that_it_inherits_and_has_none_of_our_descriptors() -> None:
    reading, writing = os.pipe()
    code = f"import os; os.environ['KEEPLINE_INHERITS']; os.fstat({writing})"
    child = HeirProcess([sys.executable, "-c", f"exec({code!r})"])
    await eventually(lambda: child.status() is not None, within_s=30)
    assert child.status() == 1  # there is no such descriptor
    os.close(reading)
    os.close(writing)


async def test_a_process_is_ended_and_one_that_will_not_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    obeys = HeirProcess([sys.executable, "-c", SLEEPS])
    await obeys.end()
    assert obeys.status() == -15
    monkeypatch.setattr(heir, "LAST_LOOKS", 2)
    code = f"import signal; signal.signal(15, signal.SIG_IGN); print(); {SLEEPS}"
    refuses = HeirProcess([sys.executable, "-c", code])
    await refuses.end()
    await eventually(lambda: refuses.status() is not None)
    assert refuses.status() in {-9, -15}  # it may have had no time to refuse


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(StartError, match="cannot start /nowhere/keepline"):
        HeirProcess(["/nowhere/keepline"])
