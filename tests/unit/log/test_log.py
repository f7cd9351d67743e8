"""What is written, what is folded, and what never gets out."""

from __future__ import annotations

import gc
import json
import tracemalloc
from io import StringIO
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.log import TEXT_CAP, TRACEBACK_CAP, Log, clean
from keepline.log import log as log_module
from keepline.reasons import CloseReason, Initiator


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Deaf(StringIO):
    """A stream whose reader has gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Bench:
    """A log with a clock to move and lines to read."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.stream = options.pop("stream", None) or StringIO()
        self.log = Log(self.stream, self.clock, **options)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def written(self, **fields: object) -> dict[str, Any]:
        self.log.info("tried", **fields)
        return self.lines[-1]


def test_a_line_has_time_level_and_event_first_and_then_its_fields_in_order() -> None:
    bench = Bench()
    bench.log.warning("device_suspicious", device_id="a", silent_s=1 / 3)
    assert bench.stream.getvalue() == (
        '{"timestamp": "2027-01-15T08:00:00.000Z", "level": "warning", '
        '"event": "device_suspicious", "device_id": "a", "silent_s": 0.333333}\n'
    )


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_what_is_below_the_level_is_not_written(level: Any) -> None:
    bench = Bench(level=level)
    for each in ("debug", "info", "warning", "error"):
        getattr(bench.log, each)("tried")
    everything = ["debug", "info", "warning", "error"]
    assert [line["level"] for line in bench.lines] == everything[everything.index(level) :]


def test_a_terminal_gets_columns_and_everything_else_gets_json() -> None:
    on_terminal = Bench(stream=Terminal())
    on_terminal.log.info("started", port=8000)
    assert "started" in on_terminal.stream.getvalue()
    assert not on_terminal.stream.getvalue().startswith("{")
    assert Bench().written(port=8000)["port"] == 8000


def test_the_form_can_be_chosen_against_the_stream() -> None:
    assert Bench(stream=Terminal(), style="json").written(port=1)["port"] == 1
    console = Bench(style="console")
    console.log.info("started", port=8000)
    assert "\x1b" not in console.stream.getvalue()  # no colours where nobody looks
    assert "port=8000" in console.stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ('a\n{"event": "forged"}', r'a\n{"event": "forged"}'),
        ("a\r\x00\x7f\x9b", r"a\r\x00\x7f\x9b"),
        ("left\u202eright\u2066\u061c", r"left\u202eright\u2066\u061c"),
        ("a\u2028b\u0085c", r"a\u2028b\x85c"),
        ("half \ud83d", r"half \ud83d"),
        ("小智 é 😀", "小智 é 😀"),
    ],
)
def test_peer_text_is_escaped_where_it_could_act(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert Bench().written(text=text)["text"] == shown


def test_on_a_terminal_no_escape_sequence_of_a_peer_gets_through() -> None:
    bench = Bench(style="console")
    bench.log.info("tried", text="\x1b[31m\nsecond line", data=b"\x1b\xff", other=["\x1b"])
    assert "\x1b" not in bench.stream.getvalue()
    assert bench.stream.getvalue().count("\n") == 1


def test_long_text_is_cut() -> None:
    line = Bench().written(text="x" * 100_000, data=b"y" * 100_000, other=["z" * 100_000])
    assert line["text"] == "x" * TEXT_CAP + "…"
    assert line["data"] == "y" * TEXT_CAP + "…"
    assert len(line["other"]) == TEXT_CAP + 1


def test_text_of_exactly_the_cap_is_whole() -> None:
    assert clean("x" * TEXT_CAP) == "x" * TEXT_CAP


def test_values_keep_their_type_where_json_has_it() -> None:
    line = Bench().written(number=3, share=0.5, flag=True, nothing=None, raw=b"ab\xff")
    assert line["number"] == 3
    assert line["share"] == 0.5
    assert line["flag"] is True
    assert line["nothing"] is None
    assert line["raw"] == r"ab\xff"


def test_a_close_reason_is_its_cause_and_another_enum_its_value() -> None:
    line = Bench().written(reason=CloseReason.HEARTBEAT_TIMEOUT, by=Initiator.DEVICE)
    assert (line["reason"], line["by"]) == ("heartbeat_timeout", "device")


def test_a_field_that_is_called_like_ours_is_kept_beside_it() -> None:
    line = Bench().written(level="loud", timestamp=1, event="other")
    assert (line["level"], line["level_"]) == ("info", "loud")
    assert (line["event"], line["event_"]) == ("tried", "other")
    assert line["timestamp_"] == 1


@pytest.mark.parametrize("name", ["token", "Authorization", "access_token", "client_secret"])
def test_a_field_named_like_a_secret_is_hidden(name: str) -> None:
    assert Bench().written(**{name: "hunter2"})[name] == "[hidden]"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2",
        "bearer  hunter2",
        "/xiaozhi/v1/?authorization=Bearer%20hunter2&device-id=a",
        "/xiaozhi/v1/?authorization=Bearer+hunter2",
        "/xiaozhi/v1/?token=hunter2&x=1",
    ],
)
def test_a_bearer_token_inside_a_text_is_hidden(text: str) -> None:
    assert "hunter2" not in Bench().written(text=text)["text"]


def test_our_own_token_is_hidden_wherever_it_occurs() -> None:
    bench = Bench(secrets=("hunter2",))
    error = ValueError("who said hunter2?")
    bench.log.error("failed", text="it is hunter2", data=b"hunter2", error=error, also=["hunter2"])
    assert "hunter2" not in bench.stream.getvalue()


def test_an_exception_brings_its_traceback_but_no_local_variables() -> None:
    def fail() -> None:
        password = "hunter2 of the caller"
        raise KeyError(len(password))

    bench = Bench()
    try:
        fail()
    except KeyError as error:
        bench.log.error("handler_failed", error=error)
    [line] = bench.lines
    assert line["error"] == "KeyError: 21"
    assert "in fail" in line["exception"]
    assert "hunter2" not in line["exception"]


def test_a_traceback_is_escaped_and_cut_at_its_beginning() -> None:
    bench = Bench()
    bench.log.error("handler_failed", error=ValueError("x" * 2 * TRACEBACK_CAP + "\x1b[2J end"))
    [line] = bench.lines
    assert line["exception"].endswith(r"\x1b[2J end")
    assert len(line["exception"]) <= TRACEBACK_CAP + len(r"\x1b")


def test_a_secret_on_the_cut_of_a_traceback_is_hidden_as_a_whole() -> None:
    secret = "a-secret-of-25-characters"
    bench = Bench(secrets=(secret,))
    text = secret + "x" * (TRACEBACK_CAP - 10)
    bench.log.error("handler_failed", error=ValueError(text))
    [line] = bench.lines
    assert secret[-9:] not in line["exception"]


def test_a_storm_is_written_up_to_its_limit_and_then_counted() -> None:
    bench = Bench(fold_per_s=3)
    for _ in range(10):
        bench.log.info("device_connected")
    assert len(bench.lines) == 3
    bench.clock.advance(1.0)
    bench.log.info("device_connected")
    assert [line["event"] for line in bench.lines[3:]] == ["events_folded", "device_connected"]
    assert bench.lines[3]["folded_event"] == "device_connected"
    assert bench.lines[3]["count"] == 7


def test_a_storm_that_ends_is_reported_by_the_flush() -> None:
    bench = Bench(fold_per_s=1)
    for _ in range(5):
        bench.log.info("device_connected")
    bench.log.flush()
    assert len(bench.lines) == 1  # its second is not over
    bench.clock.advance(1.0)
    bench.log.flush()
    bench.log.flush()
    assert [line.get("count") for line in bench.lines] == [None, 4]


def test_at_the_end_a_storm_that_is_not_over_is_reported_too() -> None:
    bench = Bench(fold_per_s=1)
    for _ in range(5):
        bench.log.info("device_disconnected")
    bench.log.flush_all()
    assert bench.lines[-1]["event"] == "events_folded"
    assert bench.lines[-1]["count"] == 4


def test_a_storm_of_one_event_does_not_fold_another() -> None:
    bench = Bench(fold_per_s=1)
    for _ in range(3):
        bench.log.info("device_connected")
    bench.log.error("handler_failed")
    assert [line["event"] for line in bench.lines] == ["device_connected", "handler_failed"]


def test_no_more_than_the_limit_a_second_is_never_folded() -> None:
    bench = Bench(fold_per_s=2)
    for _ in range(6):
        bench.log.info("device_connected")
        bench.clock.advance(0.5)
    bench.log.flush()
    assert [line["event"] for line in bench.lines] == ["device_connected"] * 6


def test_what_is_below_the_level_costs_no_window() -> None:
    bench = Bench(fold_per_s=1)
    for _ in range(5):
        bench.log.debug("frame")
    bench.clock.advance(1.0)
    bench.log.flush()
    assert bench.lines == []


def test_a_line_that_cannot_be_written_raises_nothing_and_is_counted() -> None:
    bench = Bench(stream=Deaf())
    bench.log.info("tried")
    assert bench.log.lost == 1


def test_a_value_that_cannot_be_shown_raises_nothing_and_is_counted() -> None:
    bench = Bench()
    bench.log.info("tried", value=Unprintable())
    assert (bench.lines, bench.log.lost) == ([], 1)


def test_a_line_that_is_written_leaves_nothing_in_memory() -> None:
    # Python keeps each name that a C function makes for a look-up, on a page of a fleet's memory.
    bench = Bench(fold_per_s=1_000)
    secret = "Bearer secret"
    bench.written(detail=secret)
    tracemalloc.start(1)
    try:
        for number in range(400):
            bench.log.info("tried", number=number, device_id=f"device {number}", detail=secret)
        bench.stream.truncate(0)
        gc.collect()
        kept = [trace for trace in tracemalloc.take_snapshot().traces if _is_of_the_log(trace)]
    finally:
        tracemalloc.stop()
    assert len(kept) < 40


def _is_of_the_log(trace: tracemalloc.Trace) -> bool:
    return trace.traceback[0].filename == log_module.__file__
