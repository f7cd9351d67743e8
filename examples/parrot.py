"""A device that says back what it hears, each time somebody stops speaking.

keepline serve examples.parrot:Parrot
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline import Handler
from keepline.messages import Listen

if TYPE_CHECKING:
    from keepline import Session
    from keepline.messages import DeviceMessage

MOST_FRAMES = 500  # 30 s: whoever speaks longer is cut


class Parrot(Handler):
    """Keeps the frames of one turn, and speaks them."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def text(self, session: Session, message: DeviceMessage) -> None:
        """A turn begins and ends; `speak` sends its frames at the pace of the ear."""
        match message:
            case Listen(state="start"):
                self.frames = []
            case Listen(state="stop") if self.frames:
                session.speak(self.frames)

    def audio(self, session: Session, frame: bytes) -> None:  # noqa: ARG002 (a call has it)
        """Keep what the microphone hears."""
        if len(self.frames) < MOST_FRAMES:
            self.frames.append(frame)
