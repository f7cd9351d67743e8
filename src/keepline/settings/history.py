"""What is remembered of those who left."""

from __future__ import annotations

from keepline.settings.section import Count, Section


class History(Section):
    """How many `endings` of connections are remembered, and how many `refusals` of requests.

    Each in all; of one device the last 8. An ending takes about 0.4 KB.
    """

    endings: Count = 10_000
    refusals: Count = 2_000
