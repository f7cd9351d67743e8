"""What is said of one thing that was looked at."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Standing(StrEnum):
    """How a thing is: nothing to do, something that may hurt, something that will."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Diagnosis(NamedTuple):
    """`found` is what is so, in words and numbers; `advice` what to do, "" where nothing is."""

    check: str
    standing: Standing
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Diagnosis:
    """Return that nothing is to be done."""
    return Diagnosis(check, Standing.OK, found)


def warning(check: str, found: str, advice: str) -> Diagnosis:
    """Return what may hurt, and what to do about it."""
    return Diagnosis(check, Standing.WARNING, found, advice)


def problem(check: str, found: str, advice: str) -> Diagnosis:
    """Return what will hurt, and what to do about it."""
    return Diagnosis(check, Standing.PROBLEM, found, advice)
