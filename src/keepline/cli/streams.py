"""The descriptors 0, 1 and 2, which a process can be started without."""

from __future__ import annotations

import os

STANDARD = (0, 1, 2)


def hold_standard_streams() -> None:
    """Open what is closed of them, to nowhere.

    Else a device's socket would get such a number, and what some library writes to stderr would go
    to the device; the event loop's library ends the process rather than that.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:  # another thread was quicker
                os.dup2(opened, number)
                os.close(opened)
