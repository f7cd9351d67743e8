"""PURE: whose an error of the store is: the file's, the whole transaction's, or one row's."""

from __future__ import annotations

import sqlite3
from typing import Final

_BROKEN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_broken(error: Exception) -> bool:
    """Return whether the file is damaged, and not merely locked or full."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def is_of_all(error: Exception) -> bool:
    """Return whether the whole transaction has failed, and is to be tried again."""
    return isinstance(error, sqlite3.OperationalError) or is_broken(error)
