from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import pytest

from keepline.cli import allocator


class Library:
    """A C library that can trim its heap."""

    malloc_trim = None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    monkeypatch.delenv("PYTHONMALLOC", raising=False)
    return calls


def test_the_process_starts_anew_with_the_same_arguments(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "keepline", "serve"])
    allocator.use_system_allocator()
    [(path, arguments, environment)] = started
    assert path == sys.executable
    assert arguments == [sys.executable, "-m", "keepline", "serve"]
    assert environment["PYTHONMALLOC"] == "malloc"


def test_who_has_chosen_an_allocator_keeps_it(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONMALLOC", "pymalloc")
    allocator.use_system_allocator()
    assert not started


def test_a_c_library_that_cannot_trim_is_not_chosen(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    allocator.use_system_allocator()
    assert not started
