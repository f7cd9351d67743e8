"""Copies of what is in use: one moment of a database, whole, in a file of its own."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from keepline.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY: Final = 0o600
_BUSY_TIMEOUT_S: Final = 10.0


def back_up(source: Path, target: Path) -> int:
    """Copy `source` to `target` while others write it; return the size of the copy in bytes.

    Raises StartError; then there is no half of a copy.
    """
    os.close(_made(source, target))
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            opened.execute(f"pragma busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}")
            opened.execute("vacuum into ?", (str(target),))
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        target.unlink(missing_ok=True)
        raise _failed(source, target, error) from error


def copy_file(source: Path, target: Path) -> int:
    """Copy a small file that is only ever replaced as a whole; return its size in bytes.

    Raises StartError; then there is no half of a copy.
    """
    descriptor = _made(source, target)
    try:
        with os.fdopen(descriptor, "wb") as copy:
            size_bytes = copy.write(source.read_bytes())
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)
        raise _failed(source, target, error) from error
    return size_bytes


def _made(source: Path, target: Path) -> int:
    """Make the file of a copy and return its descriptor. What is there already is left alone."""
    try:
        return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        raise StartError(
            f"{target} exists already", "give a directory without an older backup"
        ) from None
    except OSError as error:
        raise _failed(source, target, error) from error


def _failed(source: Path, target: Path, error: Exception) -> StartError:
    return StartError(
        f"{source} could not be copied to {target}: {error}",
        "look at the space on the disk, and who may write there",
    )
