"""What is remembered of those who were not let in."""

from __future__ import annotations

from keepline.settings.section import Count, Section


class History(Section):
    """How many `refusals` of requests are remembered, by device and by address.

    Of one the last 8, in memory: one takes about 0.3 KB. Who was let in is in the hub.
    """

    refusals: Count = 2_000
