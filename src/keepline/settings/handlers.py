"""What the application's code may use at once."""

from __future__ import annotations

from keepline.settings.section import Count, Section


class Handlers(Section):
    """What handlers may have under way.

    `threads` are shared by all sessions whose handler is `threaded`; `tool_calls` is how many
    calls of its device's tools one session may wait for.
    """

    threads: Count = 16
    tool_calls: Count = 8
