from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from keepline.app.alerting import DAY_S, Alerting, away, expiry_of
from keepline.app.gateway import Gateway
from keepline.app.kept_seasons import SEASONS
from keepline.handlers.echo import Echo
from keepline.monitor.findings import Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.sample import Series
from keepline.relay.upstreams.pool import Pool
from keepline.settings.upstream import Upstreams

WALL = 1_800_000_000.0


@pytest.mark.parametrize("expires_at", [None, WALL + 15 * DAY_S])
def test_a_certificate_that_is_good_for_long_or_not_there_is_no_incident(
    expires_at: float | None,
) -> None:
    assert expiry_of(expires_at, WALL) is None


@pytest.mark.parametrize(
    ("days", "severity", "told"),
    [
        (13.0, Severity.MEDIUM, "expires in 13.0 days"),
        (1.5, Severity.HIGH, "expires in 1.5 days"),
        (-1.0, Severity.HIGH, "has expired"),
    ],
)
def test_one_that_ends_soon_is_told_and_at_the_end_it_is_serious(
    days: float, severity: Severity, told: str
) -> None:
    fact = expiry_of(WALL + days * DAY_S, WALL)
    assert fact is not None
    assert fact.severity is severity
    assert fact.detail.endswith(told)


@pytest.fixture
def upstreams() -> Pool:
    return Pool(Upstreams(urls=("ws://one:1/", "ws://two:2/"), failures=1), lambda _: None)


def test_a_voice_server_that_is_left_alone_is_an_incident_and_serious_when_all_are(
    upstreams: Pool,
) -> None:
    assert away(upstreams) == {}
    first, second = upstreams.upstreams
    first.begin()
    first.failed(0.0, "refused")
    [(name, fact)] = away(upstreams).items()
    assert (name, fact.severity) == (first.name, Severity.MEDIUM)
    assert fact.detail == "a voice server is left alone, 1 of 2 are well: refused"
    second.checked(1.0, "no answer")
    second.checked(2.0, "no answer")
    facts = away(upstreams)
    assert {each.severity for each in facts.values()} == {Severity.HIGH}
    first.drain()
    assert list(away(upstreams)) == [second.name]  # it is to be empty, nobody misses it


def minutes(hour: int, value: float) -> Series:
    return Series([hour * 3_600.0 + 60 * at + 30 for at in range(60)], [value] * 60)


async def test_what_hours_bring_is_learned_from_one_life_to_the_next(tmp_path: Path) -> None:
    rtt, now = Gauge.RTT_P50_S, 500_000
    lines = StringIO()
    settings = {"data_dir": tmp_path, "auth": {"token": "a-token-of-these-tests"}}

    async def lived(*, learns: bool) -> Alerting:
        async with Gateway(Echo, settings, port=0, log=lines) as gateway:
            alerting = gateway._running.alerting
            if learns:
                for day in range(4):
                    for hour in (0, 1):
                        alerting.seasons.add(rtt, minutes(now - 24 * (4 - day) + hour, 0.2))
            alerting._evaluate(gateway.node.clock.now())
            return alerting

    await lived(learns=True)
    height = (await lived(learns=False)).seasons.usual(rtt, now * 3_600.0)
    assert height is not None
    assert height.minute == pytest.approx(0.2)
    assert "seasons_unreadable" not in lines.getvalue()

    async with Gateway(Echo, settings, port=0, log=lines) as gateway:
        gateway.node.hub.keep_memo(SEASONS, b"of another make")
    assert (await lived(learns=False)).seasons.usual(rtt, now * 3_600.0) is None
    assert "seasons_unreadable" in lines.getvalue()
