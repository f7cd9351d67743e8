"""From what is typed, `MODULE:CLASS` or the name of a built-in, to a handler class."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from keepline.errors import StartError
from keepline.gateway.handler import Handler
from keepline.gateway.handler_check import check_handler

if TYPE_CHECKING:
    from types import ModuleType

    from keepline.settings import Settings

BUILT_IN = {"echo": "keepline.handlers.echo:Echo"}


def load_handler(name: str) -> type[Handler]:
    """Return the class. Raises StartError that says what is wrong with the name or its module."""
    module_name, separator, class_name = BUILT_IN.get(name, name).partition(":")
    if not (module_name and separator and class_name):
        raise StartError(
            f"{name!r} names no handler",
            f"write MODULE:CLASS, as in: keepline serve myapp:Assistant"
            f" (built in: {', '.join(BUILT_IN)})",
        )
    module = imported(module_name)
    found = getattr(module, class_name, None)
    if found is None:
        raise StartError(f"{module_name} has no {class_name}", _handlers_in(module))
    if not (isinstance(found, type) and issubclass(found, Handler)):
        raise StartError(f"{name} is not a handler", "derive the class from keepline.Handler")
    check_handler(found)
    return found


def check_alone(name: str, settings: Settings) -> None:
    """Raise StartError where devices are to be passed on as well."""
    if settings.upstream.urls:
        raise StartError(
            f"devices cannot be both {name}'s and an upstream's",
            "give either MODULE:CLASS or --upstream (upstream.urls)",
        )


def imported(name: str) -> ModuleType:
    """Return the module, also one where we were started. Raises StartError."""
    here = str(Path.cwd())
    if here not in sys.path:  # an installed command does not look where it was started
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(name, error) from error  # it is there, and misses another
        if name.endswith(".py"):
            hint = f"write {name.removesuffix('.py')}: the module's name, not its file's"
        else:
            hint = f"start keepline in the directory that holds it ({here} does not), or install it"
        raise StartError(f"there is no module {error.name}", hint) from error
    except Exception as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> StartError:
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f for f in reversed(frames) if "importlib" not in f.filename), None)
    if isinstance(error, SyntaxError) and error.filename:  # it never ran
        place = f"{error.filename}, line {error.lineno}"
        return StartError(f"importing {name} failed: {error.msg}", f"look at {place}")
    place = f"{where.filename}, line {where.lineno}" if where else "its first line"
    return StartError(
        f"importing {name} failed: {type(error).__name__}: {error}", f"look at {place}"
    )


def _handlers_in(module: ModuleType) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Handler) and value is not Handler
    ]
    return f"its handlers: {', '.join(names)}" if names else "it has no handler at all"
