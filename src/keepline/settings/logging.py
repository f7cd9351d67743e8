"""What is logged."""

from __future__ import annotations

from keepline.log import Level, Style  # noqa: TC001 - pydantic reads the annotations
from keepline.settings.section import Count, Section


class Logging(Section):
    """What is logged; `auto` is JSON unless a terminal is looking.

    Lines wait for a slow reader up to `buffer_lines` and `buffer_bytes`; what is beyond is lost.
    """

    level: Level = "info"
    format: Style = "auto"
    fold_per_s: Count = 20
    buffer_lines: Count = 4_096
    buffer_bytes: Count = 1_048_576
