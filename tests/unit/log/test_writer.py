"""A pipe that nobody reads: what is kept, what is lost, and that nobody waits."""

from __future__ import annotations

import itertools
import json
import os
import select
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

import pytest

from keepline.clock import ManualClock, SystemClock
from keepline.log import Log
from keepline.log.writer import Writer
from tests.waiting import PATIENCE_S

PIPE_BYTES = 65_536
FLOOD = 1_000  # lines: more than any buffer here takes
LONG = "x" * 150  # a line of some 250 bytes


class Pipe:
    """A pipe whose reader reads when told to."""

    def __init__(self) -> None:
        self.reader, end = os.pipe()
        self.stream: TextIO = os.fdopen(end, "w", encoding="utf-8")
        self.reads = True

    def lines(self) -> list[str]:
        """Read until the writing side has been closed by everybody."""
        self.stream.close()
        with os.fdopen(self.reader, encoding="utf-8") as reader:
            self.reads = False
            return reader.read().splitlines()

    @property
    def has_room(self) -> bool:
        poll = select.poll()
        poll.register(self.stream, select.POLLOUT)
        return bool(poll.poll(0))

    def read(self, count_bytes: int) -> bytes:
        return os.read(self.reader, count_bytes)

    def close_reader(self) -> None:
        if self.reads:
            os.close(self.reader)
            self.reads = False


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close_reader()
    pipe.stream.close()


def writer_to(stream: TextIO | None, **limits: int) -> Writer:
    return Writer(stream, **{"most_lines": 100, "most_bytes": 100_000, **limits})


def log_to(pipe: Pipe, **limits: Any) -> Log:
    """A started log to `pipe`, whose events are not folded."""
    log = Log(pipe.stream, ManualClock(), fold_per_s=1_000_000, **limits)
    log.start()
    return log


def log_threads() -> list[threading.Thread]:
    """Return those that stay; one may be just ending."""
    found = [thread for thread in threading.enumerate() if thread.name == "keepline-log"]
    for thread in found:
        thread.join(PATIENCE_S)
    return [thread for thread in found if thread.is_alive()]


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def events(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_before_the_start_and_without_a_descriptor_a_line_is_written_at_once() -> None:
    stream = StringIO()
    writer = writer_to(stream)
    writer.write("one\n")
    writer.start()
    assert log_threads() == []
    writer.write("two\n")
    assert stream.getvalue() == "one\ntwo\n"


def test_a_process_without_a_stderr_writes_nothing_and_minds_nothing() -> None:
    log = Log(None, ManualClock())
    log.start()
    log.info("started")
    log.stop(1)
    assert log.lost == 1


def test_lines_come_out_whole_and_in_order(pipe: Pipe) -> None:
    writer = writer_to(pipe.stream, most_lines=10_000, most_bytes=10_000_000)
    writer.start()
    written = [f"{number} {LONG * (number % 70)}" for number in range(200)]  # beyond one piece, too
    reader: list[str] = []
    thread = threading.Thread(target=lambda: reader.extend(pipe.lines()))
    for line in written:
        writer.write(f"{line}\n")
    thread.start()
    writer.stop(within_s=5)
    thread.join()
    assert reader == written


def test_what_was_written_before_the_start_comes_before_what_follows(pipe: Pipe) -> None:
    writer = writer_to(pipe.stream)
    writer.write("one\n")
    writer.start()
    writer.write("two\n")
    writer.stop(within_s=5)
    assert pipe.lines() == ["one", "two"]


def test_a_reader_who_does_not_read_holds_nobody_up_and_ends_nothing_late(pipe: Pipe) -> None:
    clock = SystemClock()
    log = log_to(pipe, buffer_lines=1_000)
    began = clock.now()
    for _ in range(5_000):
        log.info("device_connected", text=LONG)
    assert log.lost > 3_000
    assert clock.now() - began < 20
    began = clock.now()
    log.stop(within_s=0.3)
    assert 0.3 <= clock.now() - began < 10
    assert log_threads() == []


def flooded(pipe: Pipe, log: Log) -> tuple[int, bytearray]:
    """Log until the pipe is full, and far more; read all that was kept. Return how many there were.

    The last are lost: the thread, which may be late, finds no room for what waits by then.
    """
    numbers = itertools.count()
    while pipe.has_room:
        log.info("device_connected", text=LONG, number=next(numbers))
    for _ in range(FLOOD):
        log.info("device_connected", text=LONG, number=next(numbers))
    count = next(numbers)
    collected = bytearray()
    while collected.count(b"device_connected") < count - log.lost:
        collected += pipe.read(PIPE_BYTES)
    return count, collected


def test_the_lost_lines_are_told_where_the_gap_is_when_the_reader_is_back(pipe: Pipe) -> None:
    log = log_to(pipe, buffer_lines=100)
    count, collected = flooded(pipe, log)
    log.info("device_connected", number=count)
    log.stop(within_s=5)
    lines = events([*collected.decode().splitlines(), *pipe.lines()])
    expected = 0
    for line in lines:
        if line["event"] == "lines_lost":
            expected += line["count"]
        else:
            assert line["number"] == expected
            expected += 1
    assert expected == count + 1
    assert lines[-2]["event"] == "lines_lost"
    assert lines[-2]["level"] == "warning"


def test_the_lost_lines_are_told_once_without_another_line_too(pipe: Pipe) -> None:
    log = log_to(pipe, buffer_lines=100)
    flooded(pipe, log)
    log.flush()
    log.flush()
    log.stop(within_s=5)
    assert [line["event"] for line in events(pipe.lines())] == ["lines_lost"]


def test_as_many_lines_wait_as_may_and_no_more() -> None:
    writer = writer_to(StringIO(), most_lines=4)
    for waiting, takes in [(3, True), (4, False), (3, False), (2, True), (3, True), (5, False)]:
        writer._lines.clear()
        writer._lines.extend([b"line"] * waiting)
        assert writer.takes_lines is takes, waiting


def test_as_many_bytes_wait_as_may_and_no_more() -> None:
    writer = writer_to(StringIO(), most_bytes=1_000)
    for waiting, takes in [(999, True), (1_000, False), (501, False), (500, True), (1_001, False)]:
        writer._bytes = waiting
        assert writer.takes_lines is takes, waiting


def test_a_reader_who_has_gone_costs_nothing_and_nobody_an_exception(pipe: Pipe) -> None:
    clock = SystemClock()
    pipe.close_reader()
    log = log_to(pipe, buffer_lines=10)
    for _ in range(1_000):
        log.info("device_connected")
    assert log.lost >= 980
    began = clock.now()
    log.stop(within_s=60)
    assert clock.now() - began < 30  # nobody will read it: not waited for
    assert log_threads() == []


def test_a_stop_without_a_start_and_a_second_stop_do_nothing(pipe: Pipe) -> None:
    log = Log(pipe.stream, ManualClock())
    log.stop(within_s=1)
    log = log_to(pipe)
    log.stop(within_s=1)
    log.stop(within_s=1)
    log.info("too_late")
    assert pipe.lines() == []


def test_the_stream_stays_open_and_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    before = open_descriptors()
    with (tmp_path / "log").open("w") as stream:
        log = Log(stream, ManualClock())
        log.start()
        log.info("started")
        log.stop(within_s=5)
        assert not stream.closed
        assert open_descriptors() == before + 1
    assert len((tmp_path / "log").read_text().splitlines()) == 1
