"""What stands for the transport of a connection that is gone."""

from __future__ import annotations

import asyncio
from typing import Any, Final


class Gone(asyncio.Transport):
    """Nothing comes of whatever it is asked for."""

    def is_closing(self) -> bool:
        """Whether it ends: it has."""
        return True

    def can_write_eof(self) -> bool:
        """Whether it is plain TCP: nobody minds any more."""
        return True

    def get_write_buffer_size(self) -> int:
        """How much waits to be sent: nothing."""
        return 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send to nobody."""

    def _nothing(self) -> None:
        """Do nothing."""

    write_eof = pause_reading = resume_reading = close = abort = _nothing


GONE: Final = Gone()
