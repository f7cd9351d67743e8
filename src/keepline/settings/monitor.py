"""How a node looks at itself."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from keepline.settings.section import Section


class Monitor(Section):
    """How often a node looks at itself; docs/monitoring.md explains it.

    Each sample is kept for an hour, its minute for a day, its quarter of an hour for two weeks.
    """

    interval_s: Annotated[float, Ge(1), Le(30)] = 5.0
