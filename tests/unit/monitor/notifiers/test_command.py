"""A command is run with each alert: real processes, without a shell."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.errors import StartError
from keepline.log import Log
from keepline.monitor.notifiers.command import Command
from tests.unit.monitor.notifiers.notices import notice
from tests.waiting import eventually

WITHIN_S = 60.0  # for a process to start, on a machine that has other things to do
COPY = """
import os, sys
with open(sys.argv[1], "a") as file:
    file.write(sys.stdin.readline())
    file.write(repr([name for name in os.environ if name.startswith("KEEPLINE_")]) + "\\n")
"""


def made(lines: StringIO, *argv: str, timeout_s: float = 60.0) -> Command:
    log = Log(lines, ManualClock(), style="json")
    return Command(argv, node="gw-1", timeout_s=timeout_s, log=log)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_each_alert_is_given_on_standard_input_and_nothing_of_our_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPLINE_AUTH__TOKEN", "a-secret")
    script, out = tmp_path / "copy.py", tmp_path / "out $(touch x); &"
    script.write_text(COPY)
    lines = StringIO()
    command = made(lines, sys.executable, str(script), str(out))
    command.tell(notice(number=1))
    command.tell(notice(number=2))
    await command.stop(WITHIN_S)
    first, ours, second, _ = out.read_text().splitlines()
    assert [json.loads(line)["alert"]["number"] for line in (first, second)] == [1, 2]
    assert ours == "[]"
    assert lines.getvalue() == ""
    assert names_in(tmp_path) == {"copy.py", out.name}


async def test_a_command_that_fails_is_told_in_the_log() -> None:
    lines = StringIO()
    command = made(lines, sys.executable, "-c", "raise SystemExit(3)")
    command.tell(notice())
    await command.stop(WITHIN_S)
    assert "it ended with status 3" in lines.getvalue()


async def test_a_command_that_hangs_is_killed_with_all_that_it_began(tmp_path: Path) -> None:
    script, pids, lines = tmp_path / "hang.py", tmp_path / "pids", StringIO()
    script.write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(sys.argv[1] + '~', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "os.rename(sys.argv[1] + '~', sys.argv[1])\n"
        "time.sleep(600)\n"
    )
    command = made(lines, sys.executable, str(script), str(pids), timeout_s=WITHIN_S)
    command.tell(notice())
    await eventually(pids.exists, within_s=WITHIN_S)
    await command.stop(0.01)
    parent, child = map(int, pids.read_text().split())
    await eventually(lambda: not is_running(parent) and not is_running(child))
    assert '"count": 1' in lines.getvalue()


def is_running(pid: int) -> bool:
    """A zombie that nobody has waited for has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
        return stat.rpartition(")")[2].split()[0] not in {"Z", "X"} and os.getpgid(pid) > 0
    except OSError:
        return False


async def test_a_command_that_does_not_read_is_no_harm() -> None:
    lines = StringIO()
    command = made(lines, sys.executable, "-c", "pass")
    command.tell(notice(detail="x" * 200_000))
    await command.stop(WITHIN_S)
    assert lines.getvalue() == ""


@pytest.mark.parametrize("size", [1, 200_000])
async def test_a_command_that_has_ended_before_it_is_written_to_is_no_harm(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = asyncio.create_subprocess_exec

    async def begin_slowly(*argv: str, **options: Any) -> asyncio.subprocess.Process:
        process = await begin(*argv, **options)
        await eventually(lambda: process.returncode is not None, within_s=WITHIN_S)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin_slowly)
    lines = StringIO()
    command = made(lines, sys.executable, "-c", "pass")
    command.tell(notice(detail="x" * size))
    await command.stop(2 * WITHIN_S)
    assert lines.getvalue() == ""


def test_a_command_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(StartError, match="there is no /nowhere/at-all that can be run"):
        made(StringIO(), "/nowhere/at-all")
