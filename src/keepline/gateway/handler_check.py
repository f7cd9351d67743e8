"""Looks at a handler class before any device comes: what could never work is told at the start."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from keepline.errors import StartError
from keepline.gateway.handler import Handler
from keepline.gateway.mistakes import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS: Final = {
    name: tuple(inspect.signature(function).parameters)[1:]
    for name, function in vars(Handler).items()
    if name[0] != "_" and inspect.isfunction(function)
}
"""Every call of the contract, with the names of what it is given."""

_MEANT: Final = {
    "open": "opened",
    "connect": "opened",
    "connected": "opened",
    "resume": "resumed",
    "message": "text",
    "binary": "audio",
    "wake": "woken",
    "drain": "draining",
    "drained": "draining",
    "close": "closed",
    "disconnect": "closed",
    "disconnected": "closed",
}
_ALIKE: Final = 0.75  # of difflib's ratio: `opend`, `audoi`, but not `options`


def check_handler(handler: type[Any]) -> None:
    """Raise StartError with file, line and what to write for a class that cannot work."""
    for name, given in CALLS.items():
        if _is_overridden(handler, name):
            _check_call(handler, name, given)
    _check_names(handler)
    _check_making(handler)
    if _is_overridden(handler, "snapshot") != _is_overridden(handler, "restore"):
        there, missing = ("snapshot", "restore(self, state)")
        if _is_overridden(handler, "restore"):
            there, missing = ("restore", "snapshot(self)")
        raise _error(
            f"{handler.__name__} has {there} alone",
            f"write {missing}, too: what one returns the other is given",
            getattr(handler, there),
        )


def _check_call(handler: type[Any], name: str, given: tuple[str, ...]) -> None:
    what = f"{handler.__name__}.{name}"
    function = getattr(handler, name)
    if not callable(function):
        raise _error(
            f"{what} is {type(function).__name__}, and must be a method",
            f"give it another name: Keepline calls {name}",
            None,
        )
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise _error(
            f"{what} yields, so calling it runs nothing",
            "use session.send or session.speak instead of yield",
            function,
        )
    if handler.threaded and inspect.iscoroutinefunction(function):
        raise _error(
            f"{what} is async, and the handler is threaded",
            f"write def {name}, without async, or leave out threaded = True",
            function,
        )
    if not _takes(handler, name, function, given):
        raise _error(
            f"{what} cannot be called as {name}({', '.join(given)})",
            f"write def {name}({', '.join(('self', *given))})",
            function,
        )


def _takes(handler: type[Any], name: str, function: Any, given: tuple[str, ...]) -> bool:
    bound = isinstance(inspect.getattr_static(handler, name), staticmethod | classmethod)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return True
    try:
        signature.bind(*(given if bound else ("self", *given)))
    except TypeError:
        return False
    return True


def _check_names(handler: type[Any]) -> None:
    """Find calls by a wrong name: they would never be made, and nobody would know why."""
    for owner, name, function in _own_functions(handler):
        meant = _meant(name)
        if (
            meant is not None
            and not _is_overridden(handler, meant)
            and (name.startswith("on") or _is_given_a_session(function))
            and not _is_used(owner, name)
        ):
            raise _error(
                f"{handler.__name__}.{name} is never called",
                f"did you mean {meant}({', '.join(('self', *CALLS[meant]))})?"
                f" A helper of your own is better named _{name}",
                function,
            )


def _meant(name: str) -> str | None:
    bare = name.lower().removeprefix("handle_").removeprefix("on_").removeprefix("on")
    if bare in CALLS:
        return bare
    matches = get_close_matches(bare, CALLS, n=1, cutoff=_ALIKE)
    return _MEANT.get(bare) or (matches[0] if matches else None)


def _own_functions(handler: type[Any]) -> Iterator[tuple[type[Any], str, Any]]:
    for owner in handler.__mro__:
        if owner is not Handler:
            for name, value in vars(owner).items():
                if name[0] != "_" and name not in CALLS and inspect.isfunction(value):
                    yield owner, name, value


def _is_given_a_session(function: Any) -> bool:
    parameters = list(inspect.signature(function).parameters)
    return parameters[1:2] == ["session"]


def _is_used(owner: type[Any], name: str) -> bool:
    """Whether another method of the class mentions it: then it is a helper."""
    functions = [value for value in vars(owner).values() if inspect.isfunction(value)]
    return any(name in function.__code__.co_names for function in functions)


def _check_making(handler: type[Any]) -> None:
    if inspect.isabstract(handler):
        missing = ", ".join(sorted(handler.__abstractmethods__))
        raise _error(f"{handler.__name__} is abstract", f"write {missing}", None)
    try:
        inspect.signature(handler).bind()
    except TypeError:
        raise _error(
            f"{handler.__name__} cannot be made without arguments",
            "give those of __init__ defaults: a handler is made for each session, which comes with"
            " opened",
            handler.__init__,
        ) from None
    except ValueError:  # written in C
        return


def _is_overridden(handler: type[Any], name: str) -> bool:
    return inspect.getattr_static(handler, name) is not inspect.getattr_static(Handler, name)


def _error(problem: str, hint: str, function: Any) -> StartError:
    where = line_of(function)
    return StartError(problem, f"{hint} ({where})" if where else hint)
