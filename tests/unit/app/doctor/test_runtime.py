from __future__ import annotations

import ctypes
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from keepline.app.doctor import runtime
from keepline.app.doctor.diagnosis import Standing

NOW = 1_800_000_000.0


class Library:
    """A C library that can trim its heap."""

    malloc_trim = None


def test_the_loop_is_named_and_where_it_is_missing_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "uvloop" in runtime.event_loop().found

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    diagnosis = runtime.event_loop()
    assert (diagnosis.standing, "pip install uvloop" in diagnosis.advice) == (
        Standing.PROBLEM,
        True,
    )


def test_an_allocator_that_holds_everybody_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    assert "libjemalloc2" in runtime.allocator(None, {}).advice
    assert runtime.allocator(Path("/usr/lib/libjemalloc.so.2"), {}).standing is Standing.OK
    assert "PYTHONMALLOC" in runtime.allocator(None, {"PYTHONMALLOC": "malloc"}).found


def test_where_no_allocator_gives_memory_back_there_is_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert runtime.allocator(None, {}).standing is Standing.OK
    assert runtime.clock_state() is None


@pytest.mark.parametrize(
    ("wall", "state", "standing"),
    [
        (NOW, 0, "ok"),
        (NOW, None, "ok"),
        (NOW, runtime.UNSYNCHRONISED, "warning"),
        (9.0, 0, "problem"),
    ],
)
def test_a_clock_that_nobody_keeps_or_that_was_never_set_is_told(
    wall: float, state: int | None, standing: str
) -> None:
    assert runtime.clock(wall, state).standing == standing


@pytest.mark.parametrize(("answer", "state"), [(0, 0), (5, 5), (-1, None)])
def test_the_kernel_is_asked_and_its_clock_left_alone(
    monkeypatch: pytest.MonkeyPatch, answer: int, state: int | None
) -> None:
    asked: list[bytes] = []

    class Kernel:
        def adjtimex(self, buffer: Any) -> int:
            asked.append(buffer.raw)
            return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Kernel())
    assert runtime.clock_state() == state
    assert asked == [bytes(512)]  # no `modes`: nothing is set; longer than any `struct timex`
