"""A device that hears "timer 5" and rings five seconds later, whatever is said meanwhile.

keepline serve examples.egg_timer:EggTimer
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from keepline import Handler
from keepline.messages import Alert, Listen, Llm, Stt

if TYPE_CHECKING:
    from keepline import CloseReason, Session
    from keepline.messages import DeviceMessage

ORDER = re.compile(r"timer (\d{1,4})")


class EggTimer(Handler):
    """One instance for each device; its attributes are that device's own."""

    def __init__(self) -> None:
        self.running = 0

    def opened(self, session: Session) -> None:
        """Smile: the device has just come."""
        session.send(Llm(emotion="happy"))

    def text(self, session: Session, message: DeviceMessage) -> None:
        """Understand one order, and show on the device what was understood."""
        match message:
            case Listen(state="detect", text=str(heard)):
                session.send(Stt(heard))
                if order := ORDER.search(heard):
                    self.running += 1
                    session.spawn(self._ring_after(session, float(order[1])))

    async def _ring_after(self, session: Session, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        self.running -= 1
        session.send(Alert(status="Timer", message="Your egg is ready", emotion="happy"))

    def closed(self, session: Session, reason: CloseReason) -> None:
        """Say what was lost: timers that still run end with their session."""
        if self.running:
            print(f"{session.device_id} left ({reason.cause}); eggs on the stove: {self.running}")
