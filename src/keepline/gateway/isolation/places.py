"""Where application code stands: in a stack, in a task, in a thread."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from keepline.gateway.mistakes import is_application

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

DEEPEST = 64
"""Awaits within awaits that are followed."""

SHOWN = 8
"""Frames of a stack that are told, the innermost first."""


class Caller(NamedTuple):
    """Which session's call a stack belongs to, as far as it shows."""

    session: Any
    method: Any


def name_of(called: object) -> str:
    """Return the name of a call as it is logged."""
    return getattr(called, "__qualname__", None) or repr(called)


def kind_of(handler: object) -> str:
    """Return the name of a handler's class, with its module."""
    made_by = handler if isinstance(handler, type) or callable(handler) else type(handler)
    name = getattr(made_by, "__qualname__", None) or type(handler).__qualname__
    return f"{getattr(made_by, '__module__', None) or '?'}.{name}"


def place_in(frames: Iterator[FrameType]) -> str:
    """Return `FILE:LINE` of the first frame that is the application's, else of the first."""
    first = ""
    for frame in frames:
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if is_application(frame.f_code.co_filename):
            return place
        first = first or place
    return first


def inward(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a stack, the innermost frame first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def stack_in(frame: FrameType | None, until: frozenset[CodeType]) -> str:
    """Return the innermost frames as `NAME FILE:LINE < ...`, down to the call that was made."""
    told: list[str] = []
    for each in inward(frame):
        if each.f_code in until or len(told) == SHOWN:
            break
        told.append(f"{each.f_code.co_qualname} {each.f_code.co_filename}:{each.f_lineno}")
    return " < ".join(told)


def caller_in(frame: FrameType | None, fences: frozenset[CodeType]) -> Caller | None:
    """Return the session and method of the innermost call through one of `fences`."""
    for each in inward(frame):
        if each.f_code in fences:
            seen = each.f_locals
            if "session" in seen and "method" in seen:
                return Caller(seen["session"], seen["method"])
    return None


def place_of_task(task: asyncio.Task[Any]) -> str:
    """Return where a task waits, in the application's code if it has any part in it."""
    frames = list(_awaiting(task.get_coro()))
    return place_in(reversed(frames))


def place_of_thread(ident: int | None) -> str:
    """Return where a thread is, empty when it is gone."""
    frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001 (its name)
    return place_in(inward(frame))


def _awaiting(work: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of what it awaits, the outermost first."""
    for _ in range(DEEPEST):
        for prefix, goes_on in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame = getattr(work, f"{prefix}_frame", None)
            if frame is not None:
                yield frame
                work = getattr(work, goes_on, None)
                break
        else:
            return


def fence_codes(*functions: Callable[..., object]) -> frozenset[CodeType]:
    """Return by which code objects the calls of handlers are known in a stack."""
    return frozenset(function.__code__ for function in functions)
