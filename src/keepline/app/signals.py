"""Signals to a gateway's process: SIGTERM and SIGINT to stop, SIGHUP for its certificate.

A worker hears SIGUSR1 as well, from who looks after it: others have taken its place.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final

from keepline.app.workers.keeper import HAND_ON

if TYPE_CHECKING:
    from types import FrameType

    from keepline.app.gateway import Gateway

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
MOST_HEARD: Final = 2  # to stop, and to hurry


class StopSignals:
    """The first asks to stop, the second to hurry, the third ends the process at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._loop = loop
        self._count = 0
        self._handing_on: asyncio.Task[None] | None = None
        # Not the loop's own way: a handler that blocks the loop would keep the process, too.
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > MOST_HEARD:
            os._exit(128 + number)
        asked = self.stop if self._count == 1 else self.hurry
        self._loop.call_soon_threadsafe(asked.set)

    def on_hangup(self, gateway: Gateway) -> None:
        """Let SIGHUP load the certificate anew; where there is none it does nothing."""

        def reload() -> None:
            if not gateway.reload_certificate():
                gateway.log.info("hangup_ignored")

        self._loop.add_signal_handler(signal.SIGHUP, reload)

    def on_handing_on(self, gateway: Gateway) -> None:
        """Let SIGUSR1 have all devices go to the workers that have come in this one's place."""

        def hand_on() -> None:
            self._handing_on = self._loop.create_task(gateway.hand_on())
            self._loop.remove_signal_handler(HAND_ON)

        self._loop.add_signal_handler(HAND_ON, hand_on)
