"""Seasons in the hub: what is read, what is written, and what is not written over."""

from __future__ import annotations

from io import StringIO

import pytest

from keepline.app.kept_seasons import SEASONS, KeptSeasons
from keepline.clock import ManualClock
from keepline.errors import HubDownError
from keepline.hub.twin import TwinHub
from keepline.log import Log
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.seasons import Seasons
from keepline.monitor.sample import Series
from tests.unit.gateway.fakes import settle

RTT = Gauge.RTT_P50_S
HOUR = 500_000


class Away(TwinHub):
    """A hub that cannot be asked until it is back."""

    is_away = True

    async def memo(self, name: str) -> bytes | None:
        if self.is_away:
            raise HubDownError("it is away")
        return await super().memo(name)


def learned(seasons: Seasons, day: int) -> None:
    """Have two hours of a day become known, of which the first is over."""
    for hour in (0, 1):
        at = (HOUR - 24 * (4 - day) + hour) * 3_600.0
        seasons.add(RTT, Series([at + 60 * minute + 30 for minute in range(60)], [0.2] * 60))


async def test_weeks_that_cannot_be_read_now_are_not_written_over_and_read_later() -> None:
    log = Log(StringIO(), ManualClock(), style="json")
    hub = Away(ManualClock())
    former = Seasons([RTT])
    for day in range(4):
        learned(former, day)
    weeks = former.kept()
    hub.keep_memo(SEASONS, weeks)

    seasons = Seasons([RTT])
    kept = KeptSeasons(seasons, hub, log)
    await kept.read()
    learned(seasons, 3)
    assert seasons.has_news
    kept.keep()
    await settle()
    assert await TwinHub.memo(hub, SEASONS) == weeks
    assert seasons.usual(RTT, HOUR * 3_600.0) is None

    hub.is_away = False
    learned(seasons, 4)
    kept.keep()
    await settle()
    height = seasons.usual(RTT, HOUR * 3_600.0)
    assert height is not None
    assert height.minute == pytest.approx(0.2)
    learned(seasons, 5)
    kept.keep()
    assert await TwinHub.memo(hub, SEASONS) != weeks
    await kept.stop()
