"""Which memory allocator a gateway runs on; it has to be chosen before Python starts."""

from __future__ import annotations

import ctypes
import os
import sys


def use_system_allocator() -> None:
    """Start this process anew on the C library's allocator, if it can give memory back.

    Python's own hands memory back by the mebibyte, and one small object that outlives a fleet
    keeps a whole one; the C library's does so by the page (docs/decisions/0007). The process id
    stays. Whoever sets PYTHONMALLOC has chosen already.
    """
    if "PYTHONMALLOC" in os.environ or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        return
    environment = {**os.environ, "PYTHONMALLOC": "malloc"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606
