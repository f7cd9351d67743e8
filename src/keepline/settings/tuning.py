"""How far a node may go by itself."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le

from keepline.settings.section import Section


class Tuning(Section):
    """What is learned and set by itself; docs/tuning.md.

    With `verdict_s` the interval between pings to an idle device is learned for each prefix it may
    come from, as long as one that is gone is given up at most `verdict_s` after its last byte.
    None: every interval is `heartbeat.interval_s`.
    """

    verdict_s: Annotated[float, Gt(0), Le(3_600)] | None = None
