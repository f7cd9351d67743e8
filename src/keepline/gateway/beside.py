"""What a session has under way beside its handler's calls; made when first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.timers import Timer
    from keepline.gateway.toolbox import Toolbox


class Beside:
    """Tasks, timers and calls of the device's tools: all of them end with the session."""

    __slots__ = ("is_told_full", "tasks", "timers", "toolbox")

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.timers: set[Timer] = set()
        self.toolbox: Toolbox | None = None
        self.is_told_full = False  # that the inbox had no room for a question, since it had some

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way; what is known of the device's tools does not count."""
        busy = self.toolbox is not None and self.toolbox.is_busy
        return not (self.tasks or self.timers or busy)

    def close(self) -> None:
        """The device will not answer, and nothing is to be done for it any more."""
        for timer in list(self.timers):
            timer.cancel()
        if self.toolbox is not None:
            self.toolbox.close()

    def cancel(self) -> None:
        """End everything."""
        self.close()
        for task in self.tasks:
            task.cancel()
