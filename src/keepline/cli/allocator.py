"""Which memory allocator a gateway runs on; it has to be chosen before Python starts."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

JEMALLOC: Final = "libjemalloc.so.2"
FOLDERS: Final = tuple(
    map(Path, ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"))
)
"""Where distributions put it."""

PACED: Final = "background_thread:true,narenas:1,dirty_decay_ms:3000,muzzy_decay_ms:0"
"""It gives back by itself, little by little, what nobody has used for three seconds."""


def installed_jemalloc() -> Path | None:
    """Return where it is, None where it is not."""
    places = (folder / JEMALLOC for folder in FOLDERS)
    return next((place for place in places if place.exists()), None)


def use_system_allocator() -> None:
    """Start this process anew on an allocator of the system's, if it can give memory back.

    Python's own hands memory back by the mebibyte, and one small object that outlives a fleet
    keeps a whole one; the C library's does so by the page (docs/decisions/0007). Where jemalloc
    is installed it takes the C library's place: that one holds everybody up while it gives back
    (docs/decisions/0037). The process id stays. Whoever sets PYTHONMALLOC or LD_PRELOAD has chosen
    already.
    """
    if "PYTHONMALLOC" in os.environ or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        return
    chosen = {"PYTHONMALLOC": "malloc"}
    jemalloc = installed_jemalloc()
    if jemalloc is not None and "LD_PRELOAD" not in os.environ:
        chosen |= {"LD_PRELOAD": str(jemalloc), "MALLOC_CONF": PACED}
    environment = {**chosen, **os.environ}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606
