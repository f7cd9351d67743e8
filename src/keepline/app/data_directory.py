"""The directory in which a gateway keeps its state: one gateway's at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def held(directory: Path | None, inherited: int | None = None) -> Iterator[int | None]:
    """Keep every other gateway out of `directory`, also one of this process; yield its descriptor.

    Two would each take the other's devices for those of a former life, and know nothing of the
    other's revocations. The lock ends with the process, however that ends. What is `inherited` is
    a directory that another process opened and locked: it is one lock, and ends with the last of
    the two. Raises StartError.
    """
    if directory is None:
        yield None
        return
    descriptor = _opened(directory) if inherited is None else inherited
    try:
        if inherited is None:
            _lock(descriptor, directory)
        yield descriptor
    finally:
        os.close(descriptor)


def _opened(directory: Path) -> int:
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StartError(
            f"cannot keep state in {directory}: {error.strerror}",
            "data_dir is a directory that this process may read and write",
        ) from error


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartError(
            f"another gateway keeps its state in {directory}",
            "stop it, or give this one a directory of its own with --data",
        ) from None
    except OSError:
        return  # a file system that has no locks is no reason not to start
