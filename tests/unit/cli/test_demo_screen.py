"""The demo's table: a head, then a row whenever something has moved."""

from __future__ import annotations

import pytest

from keepline.cli.demo_screen import ROWS_PER_HEAD, DemoScreen
from keepline.fleet.report import Report, report_of
from keepline.fleet.tally import Tally
from tests.unit.cli.test_welcome import listening


def report(elapsed_s: float, conversations: int) -> Report:
    tally = Tally()
    tally.counts.conversations, tally.counts.frames_sent = conversations, 50
    return report_of(tally, elapsed_s=elapsed_s, devices=5, connected=3, talking=2)


def test_it_is_said_that_the_devices_cost_is_shown_as_the_gateways(
    capsys: pytest.CaptureFixture[str],
) -> None:
    DemoScreen().announce(listening("127.0.0.1"))
    assert "`keepline capacity`, as the gateway's own" in capsys.readouterr().out


def test_a_row_stands_below_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    DemoScreen().show(report(1.4, 7))
    head, row = capsys.readouterr().out.splitlines()
    numbers = dict(zip(head.replace("audio sent", "sent").split(), row.split()[1:], strict=True))
    assert row.startswith("    1 s")
    assert numbers == {
        "time": "s",
        "connected": "3",
        "talking": "2",
        "conversations": "7",
        "sent": "50",
        "heard": "0",
        "pongs": "0",
        "died": "0",
    }


def test_a_report_in_which_only_time_has_passed_prints_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = DemoScreen()
    for elapsed_s in (1.0, 2.0, 3.0):
        screen.show(report(elapsed_s, 7))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_head_comes_again_after_a_screenful(capsys: pytest.CaptureFixture[str]) -> None:
    screen = DemoScreen()
    for number in range(ROWS_PER_HEAD + 1):
        screen.show(report(number, number))
    lines = capsys.readouterr().out.splitlines()
    assert [at for at, line in enumerate(lines) if "connected" in line] == [0, ROWS_PER_HEAD + 1]
