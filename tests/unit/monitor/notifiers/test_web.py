"""Alerts for a web server; how they are delivered is `test_deliverer`'s."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from io import StringIO
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.log import Log
from keepline.monitor.metrics import Deliveries
from keepline.monitor.notifiers.web import MOST_WAITING, Web
from keepline.settings.alerts import Alerts as Settings
from tests.unit.monitor.endpoint import Endpoint
from tests.unit.monitor.notifiers.notices import notice
from tests.waiting import eventually

SECRET = "a-secret-for-tests"


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    there = Endpoint()
    await there.start()
    yield there
    await there.stop()


class Sender:
    def __init__(self, url: str, **settings: Any) -> None:
        ids = count(1)
        self.counts = Deliveries()
        self.lines = StringIO()
        self.web = Web(
            Settings(url=url, **settings),
            node="gw-1",
            clock=SystemClock(),
            draw=lambda: 0.5,
            make_id=lambda: f"delivery-{next(ids)}",
            log=Log(self.lines, SystemClock(), style="json"),
            counts=self.counts,
        )


async def test_each_alert_is_a_request_of_its_own_and_signed_where_there_is_a_secret(
    endpoint: Endpoint,
) -> None:
    sender = Sender(endpoint.url, secret=SECRET)
    sender.web.tell(notice(number=1))
    sender.web.tell(notice(number=2))
    await eventually(lambda: sender.counts.delivered == 2)
    assert [each.document["alert"]["number"] for each in endpoint.received] == [1, 2]
    assert all(each.is_signed_with(SECRET) for each in endpoint.received)
    await sender.web.stop(5)


async def test_a_template_gives_it_another_form_without_a_signature(endpoint: Endpoint) -> None:
    sender = Sender(endpoint.url, template="slack")
    sender.web.tell(notice())
    await eventually(lambda: endpoint.received)
    assert endpoint.received[0].document["text"].startswith("Keepline gw-1: high")
    assert "keepline-signature" not in endpoint.received[0].headers
    await sender.web.stop(5)


def test_a_template_that_is_wrong_is_told_at_the_start() -> None:
    with pytest.raises(StartError, match=r"alerts\.template"):
        Sender("http://127.0.0.1:1/", template="no-such-form")


@pytest.mark.parametrize("way", ["refused", "hanging", "dripping", "failing", "elsewhere"])
async def test_a_dead_endpoint_costs_what_waits_and_holds_nobody_up(
    endpoint: Endpoint, way: str
) -> None:
    url = endpoint.url
    match way:
        case "refused":
            with socket.socket() as nobody:
                nobody.bind(("127.0.0.1", 0))
                url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        case "hanging":
            endpoint.go.clear()
        case "dripping":
            endpoint.drips = True
        case "failing":
            endpoint.heads = ["500 Oops"] * 1_000
        case "elsewhere":
            endpoint.heads = ["302 Found\r\nLocation: /elsewhere"] * 1_000
    sender = Sender(url, timeout_s=0.2)
    begun = time.process_time()
    for number in range(MOST_WAITING + 50):
        sender.web.tell(notice(number=number))
    await eventually(lambda: "alerts_failing" in sender.lines.getvalue())
    await asyncio.sleep(0)
    assert sender.counts.delivered == 0
    assert sender.counts.dropped >= 49
    assert time.process_time() - begun < 2
    stopping = time.monotonic()
    await sender.web.stop(0.5)
    assert time.monotonic() - stopping < 20
    assert sender.counts.dropped == MOST_WAITING + 50
    assert "s3cret-path" not in sender.lines.getvalue()
    endpoint.drips = False
