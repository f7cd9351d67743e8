"""The probe's reading of a byte stream, and the spread of what it found."""

from __future__ import annotations

import os

from bench.load.device_bytes import numbered_audio
from bench.load.probe import numbers_in
from bench.readings import percentile
from keepline.wire.events import Binary
from keepline.wire.frames import binary_frame, ping_frame, text_frame
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader


def echo(number: int) -> bytes:
    (event,) = FrameReader(Limits(), masked=True).receive(numbered_audio(number))
    assert isinstance(event, Binary)
    return binary_frame(event.data)


def test_whole_echoes_are_taken_and_the_rest_is_kept() -> None:
    tail = echo(9)[:50]

    assert numbers_in(echo(7) + text_frame("{}") + echo(8) + tail, answer_on=-1) == ([7, 8], tail)


def test_a_ping_between_echoes_is_answered() -> None:
    reading, writing = os.pipe()
    found = numbers_in(echo(1) + ping_frame(b"abcd") + echo(2), answer_on=writing)
    answer = os.read(reading, 100)
    os.close(reading)
    os.close(writing)

    assert found == ([1, 2], b"")
    assert answer[0] == 0x8A


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert percentile(values, 50) == 51
    assert percentile(values, 99) == 100
    assert percentile(values, 100) == 100
    assert percentile([3.0], 50) == 3
