"""What application code does wrong, in words that say where and what to write instead."""

from __future__ import annotations

import inspect
import math
import os
import traceback
import warnings
from collections.abc import AsyncIterable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, get_args

from keepline.errors import HandlerError
from keepline.wire.messages import ServerMessage

if TYPE_CHECKING:
    import asyncio

    from keepline.log import Log

MESSAGES: Final = frozenset(get_args(ServerMessage))

_OURS: Final = str(Path(__file__).parents[1]) + os.sep
_HANDLERS: Final = str(Path(__file__).parents[1] / "handlers") + os.sep
_STDLIB: Final = str(Path(os.__file__).parent) + os.sep


def is_application(file: str) -> bool:
    """Return whether a source file is the application's: not ours, nor a library's."""
    if file.startswith(_OURS):
        return file.startswith(_HANDLERS)
    return not (file.startswith((_STDLIB, "<")) or f"{os.sep}site-packages{os.sep}" in file)


def place_of(error: BaseException, called: object) -> str:
    """Return `FILE:LINE` of the application's code where `error` came from, or of what was called.

    Empty when neither is known.
    """
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if not frame.filename.startswith(_OURS) or frame.filename.startswith(_HANDLERS):
            return f"{frame.filename}:{frame.lineno}"
    return line_of(called, separator=":")


def line_of(called: object, separator: str = ", line ") -> str:
    """Return where a function or method is written, empty when that is not known."""
    code = getattr(inspect.unwrap(called), "__code__", None) if callable(called) else None
    return "" if code is None else f"{code.co_filename}{separator}{code.co_firstlineno}"


def report_unawaited(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Have the warning of a coroutine that nobody awaited be a line of the log, with its place.

    For the whole process, as warnings are; other warnings go on to who showed them before.
    """
    show_others = warnings.showwarning

    def show(  # noqa: PLR0917 (as Python calls it)
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if "was never awaited" not in str(message) or loop.is_closed():
            show_others(message, category, filename, lineno, file, line)
            return
        advice = f"{message}: write await before the call, or session.spawn around it"
        told = partial(log.error, "never_awaited", at=f"{filename}:{lineno}", detail=advice)
        loop.call_soon_threadsafe(told)

    warnings.showwarning = show


def returned(value: object, called: object) -> HandlerError:
    """Return what to say about a call that returned something."""
    name = getattr(called, "__name__", "the call")
    if inspect.isasyncgen(value) or inspect.isgenerator(value):
        return HandlerError(
            f"{name} yields, so nothing of it was run: use session.send or session.speak instead"
            " of yield"
        )
    if inspect.iscoroutine(value):
        value.close()
        return HandlerError(
            f"{name} is async, and a threaded handler's calls are plain: def {name}"
        )
    hint = ": session.send it" if type(value) in MESSAGES else ""
    return HandlerError(f"{name} returned {_kind(value)}, which goes nowhere{hint}")


def not_a_message(value: object) -> HandlerError:
    """Return what to say about sending something else than a message of the protocol."""
    if isinstance(value, str):
        hint = "for a text of your own making there is session.send_text"
    elif isinstance(value, bytes):
        hint = "Opus frames go through session.send_audio or session.speak"
    elif isinstance(value, dict):
        hint = "for JSON of your own there is session.send(Custom(...))"
    elif isinstance(value, type):
        hint = f"make one: {value.__name__}(...)"
    else:
        hint = "for example session.send(Stt('hello'))"
    return HandlerError(f"send takes a message to the device, not {_kind(value)}; {hint}")


def not_text(value: object) -> HandlerError:
    """Return what to say about sending something else than text as text."""
    hint = "audio goes through session.send_audio" if isinstance(value, bytes) else "dump it first"
    return HandlerError(f"send_text takes str, not {_kind(value)}; {hint}")


def opus(frame: object) -> bytes:
    """Return a frame as bytes. Raises HandlerError for what is none."""
    if isinstance(frame, bytes | bytearray | memoryview):
        return bytes(frame)
    raise HandlerError(f"send_audio takes one Opus packet as bytes, not {_kind(frame)}")


def check_parts(parts: object) -> None:
    """Raise HandlerError for what cannot be spoken."""
    if isinstance(parts, bytes | bytearray):
        raise HandlerError("speak takes the packets of a speech: write speak([packet]) for one")
    if isinstance(parts, str):
        raise HandlerError("speak takes Opus packets, not text: have it spoken first, by a voice")
    if inspect.isfunction(parts) or inspect.ismethod(parts):
        raise HandlerError(f"speak was given a function: call it, {parts.__name__}(...)")
    if inspect.iscoroutine(parts):
        parts.close()
        raise HandlerError("speak was given a coroutine: await it, or make it yield its packets")
    if not isinstance(parts, Iterable | AsyncIterable):
        raise HandlerError(f"speak takes Opus packets that can be iterated, not {_kind(parts)}")


def check_coroutine(work: object) -> None:
    """Raise HandlerError for what cannot be spawned."""
    if inspect.iscoroutine(work):
        return
    if callable(work):
        name = getattr(work, "__name__", "work")
        raise HandlerError(f"spawn takes a coroutine: call it, session.spawn({name}(...))")
    raise HandlerError(f"spawn takes the coroutine of an async def, not {_kind(work)}")


def check_timer(delay_s: object, method: object) -> None:
    """Raise HandlerError for what cannot be called later."""
    if not isinstance(delay_s, int | float) or not math.isfinite(delay_s) or delay_s < 0:
        raise HandlerError(f"after takes a number of seconds from 0, not {delay_s!r}")
    if inspect.iscoroutine(method):
        method.close()
        raise HandlerError("after calls by itself: give it the method, without parentheses")
    if not callable(method):
        raise HandlerError(f"after takes a method to call, not {_kind(method)}")


def check_tool(name: object, arguments: object) -> None:
    """Raise HandlerError for what names no tool, or gives it no arguments by name."""
    if not isinstance(name, str):
        raise HandlerError(f"call_tool takes the tool's name as str, not {_kind(name)}")
    if arguments is not None and not isinstance(arguments, Mapping):
        raise HandlerError(
            f"call_tool takes the arguments by name, as a dict, not {_kind(arguments)}"
        )


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return "a class"
    return "None" if value is None else type(value).__name__
