from __future__ import annotations

from keepline.monitor.exposition import Metrics
from keepline.monitor.metrics import Counters
from keepline.relay.upstreams.gauges import gauges_of
from tests.unit.relay.upstreams.pools import eject, pool_of


async def test_each_upstream_is_a_series_of_each_metric() -> None:
    pool = pool_of(2)
    eject(pool.upstreams[1])
    pool.upstreams[0].begin()
    pool.upstreams[0].opened(0.0)
    pool.upstreams[0].latency(0.25)
    pool.upstreams[0].drain()
    text = (await Metrics(Counters(), gauges_of(pool), version="0").text()).decode()
    first, second = (f'{{upstream="{each.name}"}}' for each in pool.upstreams)
    for line in (
        f"keepline_upstream_connections{first} 1.0",
        f"keepline_upstream_connecting{first} 0.0",
        f"keepline_upstream_connects_total{first} 1.0",
        f"keepline_upstream_draining{first} 1.0",
        f"keepline_upstream_latency_seconds{first} 0.25",
        f"keepline_upstream_ejected{second} 1.0",
        f"keepline_upstream_failures_total{second} 5.0",
        f"keepline_upstream_ejections_total{second} 1.0",
    ):
        assert line in text.splitlines()
