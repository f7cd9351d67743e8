"""Pools and fates for the tests of upstreams."""

from __future__ import annotations

from random import Random
from typing import Any

from keepline.relay.upstreams.pool import Pool
from keepline.relay.upstreams.upstream import Change, Upstream
from keepline.settings.upstream import Upstreams


def pool_of(number: int, told: list[Change] | None = None, **settings: Any) -> Pool:
    """Return a pool; its changes go to `told`."""
    urls = tuple(f"ws://voice-{index}:8000/xiaozhi/v1/" for index in range(number))
    return Pool(Upstreams(urls=urls, **settings), ([] if told is None else told).append)


def upstream_with(**settings: Any) -> tuple[Upstream, list[Change]]:
    """Return one upstream, and the list its changes go to."""
    changes: list[Change] = []
    url = "ws://Voice-0:8000/xiaozhi/v1/?key=s3cret"
    return Upstream(0, url, Upstreams(urls=(url,), **settings), changes.append), changes


def connect(pool: Pool, random: Random, now: float = 0.0, device_id: str = "d") -> Upstream:
    """Have one device connect, and return to what."""
    chosen = pool.choose(device_id, now, random.random)
    assert chosen is not None
    chosen.opened(now)
    return chosen


def eject(upstream: Upstream, now: float = 0.0) -> None:
    """Have an upstream fail until it is ejected."""
    while not upstream.is_ejected:
        upstream.begin()
        upstream.failed(now, "refused")
