"""How long a gateway may take to stop: what a supervisor has to allow before it kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.app.composition import LAST_LINES_S
from keepline.app.memory import LAST_WRITES_S
from keepline.app.process import FORCED_END_S
from keepline.app.telling import STOP_TIMEOUT_S
from keepline.gateway.gateway import GATE_CLOSE_S

if TYPE_CHECKING:
    from keepline.settings import Settings

MARGIN_S = 3.0  # for the loop and the disk of a machine that is busy


def grace_s(settings: Settings) -> float:
    """Return the longest stop there can be, step by step, and a margin."""
    steps = (settings.drain.longest_s, GATE_CLOSE_S, STOP_TIMEOUT_S, LAST_WRITES_S, LAST_LINES_S)
    return sum(steps) + FORCED_END_S + MARGIN_S
