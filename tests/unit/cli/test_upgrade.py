"""`keepline upgrade`: what it shows of what a gateway tells, and what it makes of silence."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepline.app import line
from tests.unit.cli.command_line import typed

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="speaks to the gateway as on Linux")

Gateway = Callable[..., list[line.Message]]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that tells what a test wants it to, and hangs up; it returns what it was asked."""
    held = os.open(tmp_path, os.O_RDONLY)
    listening = line.listen(held)
    listening.setblocking(True)
    running: list[threading.Thread] = []

    def tells(*messages: line.Message) -> list[line.Message]:
        asked: list[line.Message] = []

        def run() -> None:
            sock, _ = listening.accept()
            with sock:
                asked.append(line.receive(sock)[0])
                for message in messages:
                    line.send(sock, message)

        running.append(threading.Thread(target=run))
        running[-1].start()
        return asked

    yield tells
    for thread in running:
        thread.join()
    listening.close()
    os.close(held)


TAKEN = ({"told": "starting", "pid": 7}, {"told": "ready", "pid": 7})


def test_an_upgrade_is_shown_to_its_end(gateway: Gateway, tmp_path: Path) -> None:
    asked = gateway(*TAKEN, {"told": "draining", "left": 3}, {"told": "done"})
    status, _, said = typed("upgrade", "--data", str(tmp_path), "--exec", "/new/keepline")
    assert status == 0
    assert "process 7 has taken over" in said
    assert "the former process has left" in said
    [request] = asked
    assert (request["program"], request["patience_s"]) == ("/new/keepline", 60.0)


def test_an_upgrade_that_was_undone_says_why(gateway: Gateway, tmp_path: Path) -> None:
    gateway(TAKEN[0], {"told": "failed", "why": "it did not start", "hint": "see its log"})
    status, _, said = typed("upgrade", "--data", str(tmp_path), "--wait", "5")
    assert status == 2
    assert "not upgraded: it did not start" in said
    assert "see its log" in said


def test_a_program_is_meant_from_where_the_command_is_typed(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = gateway(*TAKEN, {"told": "done"})
    monkeypatch.chdir(tmp_path)
    typed("upgrade", "--data", str(tmp_path), "--exec", "new/keepline")
    assert asked[0]["program"] == str(tmp_path / "new/keepline")


def test_a_program_without_a_path_is_looked_for_by_the_gateway(
    gateway: Gateway, tmp_path: Path
) -> None:
    asked = gateway(*TAKEN, {"told": "done"})
    typed("upgrade", "--data", str(tmp_path), "--exec", "keepline")
    assert asked[0]["program"] == "keepline"


def test_what_a_gateway_says_cannot_speak_to_the_terminal(gateway: Gateway, tmp_path: Path) -> None:
    gateway({"told": "failed", "why": "a\x1b]0;b", "hint": "c\x1b[2Jd"})
    _, _, said = typed("upgrade", "--data", str(tmp_path))
    assert "\x1b]" not in said
    assert "\x1b[2J" not in said


@pytest.mark.parametrize(
    ("told", "words"),
    [((), "the gateway hung up"), (TAKEN, "the former process ended without a word")],
)
def test_an_end_without_a_word_is_no_success(
    gateway: Gateway, tmp_path: Path, told: tuple[line.Message, ...], words: str
) -> None:
    gateway(*told)
    status, _, said = typed("upgrade", "--data", str(tmp_path))
    assert status == 2
    assert words in said


def test_where_nobody_listens_nobody_can_be_upgraded(tmp_path: Path) -> None:
    status, _, said = typed("upgrade", "--data", str(tmp_path))
    assert (status, "no gateway that can be upgraded" in said) == (2, True)


def test_a_gateway_is_found_by_its_directory(tmp_path: Path) -> None:
    status, _, said = typed("upgrade")
    assert (status, "which gateway?" in said) == (2, True)
