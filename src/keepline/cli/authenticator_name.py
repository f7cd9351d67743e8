"""From what is typed, `MODULE:NAME`, to an authenticator of your own."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from keepline.cli.handler_name import imported
from keepline.errors import StartError

if TYPE_CHECKING:
    from keepline.gateway.auth import Authenticator


def load_authenticator(name: str) -> Authenticator:
    """Return the authenticator, made if NAME is a class; StartError says what is wrong with it."""
    module_name, separator, attribute = name.partition(":")
    if not (module_name and separator and attribute):
        raise StartError(
            f"{name!r} names no authenticator",
            "write MODULE:NAME, as in: keepline serve --auth mydoor:Accounts",
        )
    found = getattr(imported(module_name), attribute, None)
    if found is None:
        raise StartError(f"{module_name} has no {attribute}", "NAME is a class or an object in it")
    if not inspect.iscoroutinefunction(getattr(found, "judge", None)):
        raise StartError(
            f"{name} is not an authenticator",
            "it needs: async def judge(self, request) -> Identity",
        )
    return _made(name, found) if isinstance(found, type) else found


def _made(name: str, kind: type[Authenticator]) -> Authenticator:
    try:
        return kind()
    except Exception as error:
        raise StartError(
            f"making {name} failed: {type(error).__name__}: {error}",
            "a class is made without arguments; or name an object that is made already",
        ) from error
