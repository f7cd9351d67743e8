from __future__ import annotations

from collections import Counter
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from keepline.cli.fleet_screen import MOST_CODES, in_ms, make_screen, tell
from keepline.fleet.report import Report, report_of
from keepline.fleet.tally import Tally


def report(elapsed_s: float = 4.0, **counts: Any) -> Report:
    tally = Tally()
    known = {"connects": 3, "hellos": 3, "let_in": 3, "numbers_sent": 2, "numbers_heard": 2}
    for name, value in (known | counts).items():
        setattr(tally.counts, name, value)
    tally.rtt.add(0.0005)
    tally.hello.add(0.012)
    return report_of(tally, elapsed_s=elapsed_s, devices=3, connected=2, talking=1, ramp_s=1.5)


def written(*reports: Report, terminal: bool) -> str:
    screen = StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120, color_system=None)
    with make_screen(console) as shown:
        for each in reports:
            shown.show(each)
    return screen.getvalue()


def test_without_a_terminal_there_is_a_plain_line_every_five_seconds() -> None:
    text = written(*(report(float(second)) for second in range(1, 12)), terminal=False)
    lines = text.splitlines()
    assert [line[: line.index("  ")] for line in lines] == ["time 1 s", "time 6 s", "time 11 s"]
    assert "connected 2/3  talking 1  per s 3" in lines[0]
    assert "hello p95 12 ms  rtt p95 0.5 ms  deaths 0  ended 0" in lines[0]
    assert "per s 0" in lines[1]
    assert "\x1b" not in text


def test_on_a_terminal_there_is_one_table_that_is_renewed() -> None:
    text = written(report(1.0), report(2.0, died=1), terminal=True)
    assert text.count("connected") >= 2
    assert "2/3" in text


def test_the_first_codes_are_told_with_the_command_and_the_rest_is_not() -> None:
    screen = StringIO()
    with make_screen(Console(file=screen, width=120)) as shown:
        for number in range(MOST_CODES + 5):
            shown.tell_code("02:00:00:00:00:01", f"{number:06}\x1b[2J")
    text = screen.getvalue()
    assert text.count("keepline enrol approve") == MOST_CODES
    assert text.count("keepline enrol list") == 1
    assert "\x1b" not in text


def test_the_report_ends_with_what_did_not_go_well() -> None:
    screen = StringIO()
    tell(report(unlucky=1, numbers_lost=1), Console(file=screen, width=120))
    lines = screen.getvalue().splitlines()
    assert lines[-2:] == [
        "problem: 1 device could not connect: the run was over first",
        "problem: control messages lost: 1 of 2",
    ]
    assert "all went well" not in lines


@pytest.mark.parametrize(
    ("kept_out", "advised"),
    [
        ({"failed": Counter(ECONNREFUSED=3)}, "nothing listens there"),
        ({"refused": Counter({401: 1})}, "--token"),
        ({"refused": Counter({404: 1})}, "/xiaozhi/v1/"),
        ({"refused": Counter({503: 1})}, "device_refused"),
    ],
)
def test_what_keeps_devices_out_is_told_with_what_to_do(
    kept_out: dict[str, Any], advised: str
) -> None:
    screen = StringIO()
    tell(report(unlucky=1, **kept_out), Console(file=screen, width=120))
    last = screen.getvalue().splitlines()[-1]
    assert last.startswith("  → ")
    assert advised in last


def test_a_report_without_problems_says_so_and_shows_its_times() -> None:
    screen = StringIO()
    tell(report(died=2), Console(file=screen, width=120))
    text = screen.getvalue()
    assert text.endswith("all went well\n")
    assert "round trip of a message" in text
    assert "until the first audio" not in text  # nothing was measured
    assert "2, 0 noticed, 0 not yet" in text


def test_a_server_that_says_nothing_back_is_told_apart_from_losses() -> None:
    screen = StringIO()
    tell(report(numbers_heard=0, numbers_lost=2), Console(file=screen, width=120))
    assert "nobody said numbered messages back" in screen.getvalue()
    assert "problem" not in screen.getvalue()


def test_durations_are_read_at_a_glance() -> None:
    assert [in_ms(each) for each in (None, 0.0004, 0.25, 1.0, 12.34)] == [
        "-",
        "0.4 ms",
        "250 ms",
        "1.0 s",
        "12.3 s",
    ]
