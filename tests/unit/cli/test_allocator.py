from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
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
    for name in ("PYTHONMALLOC", "LD_PRELOAD", "MALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(allocator, "FOLDERS", ())
    return calls


@pytest.fixture
def jemalloc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have jemalloc installed."""
    library = tmp_path / allocator.JEMALLOC
    library.touch()
    monkeypatch.setattr(allocator, "FOLDERS", (tmp_path / "nowhere", tmp_path))
    return str(library)


def test_the_process_starts_anew_with_the_same_arguments(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "keepline", "serve"])
    allocator.use_system_allocator()
    [(path, arguments, environment)] = started
    assert path == sys.executable
    assert arguments == [sys.executable, "-m", "keepline", "serve"]
    assert environment["PYTHONMALLOC"] == "malloc"
    assert "LD_PRELOAD" not in environment


def test_jemalloc_takes_the_place_of_the_c_librarys_where_it_is_installed(
    started: list[Any], jemalloc: str
) -> None:
    allocator.use_system_allocator()
    [(_, _, environment)] = started
    assert (environment["PYTHONMALLOC"], environment["LD_PRELOAD"]) == ("malloc", jemalloc)
    assert environment["MALLOC_CONF"] == allocator.PACED


@pytest.mark.parametrize(
    ("name", "preloaded"), [("LD_PRELOAD", "mine"), ("MALLOC_CONF", "the installed one")]
)
def test_who_has_preloaded_or_tuned_something_keeps_it(
    started: list[Any],
    jemalloc: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    preloaded: str,
) -> None:
    monkeypatch.setenv(name, "mine")
    allocator.use_system_allocator()
    [(_, _, environment)] = started
    assert environment[name] == "mine"
    assert environment["LD_PRELOAD"] == ("mine" if preloaded == "mine" else jemalloc)


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
