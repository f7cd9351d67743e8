"""PURE: whether a device is in a conversation."""

from __future__ import annotations

from enum import Enum
from typing import Final

RECORDED_S: Final = 1.0
"""A device that records sends a frame every 60 ms: without one for so long nobody speaks."""

ANSWER_S: Final = 2.0
"""How long a handler may take for an answer with none of its calls or tasks under way."""


class Talk(Enum):
    """What is going on between a device and who answers it."""

    SILENT = "silent"
    ASKING = "asking"  # its user speaks, or waits for the answer
    ANSWERING = "answering"
