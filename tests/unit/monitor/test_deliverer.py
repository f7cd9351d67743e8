"""What delivers, and the server it delivers to: in order, signed, tried again, bounded."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import trustme

from keepline.clock import ManualClock, SystemClock
from keepline.errors import StartError
from keepline.log import Log
from keepline.monitor.deliverer import (
    REFUSED_TRIES,
    RETRY_AFTER_MOST_S,
    Deliverer,
    Terms,
    retry_after_s,
    signature,
)
from keepline.monitor.metrics import Deliveries
from tests.unit.monitor.endpoint import Endpoint
from tests.waiting import eventually

SECRET = "a-secret-for-tests"
TERMS: dict[str, Any] = {
    "secret": SECRET,
    "timeout_s": 5.0,
    "retry_min_s": 0.01,
    "retry_max_s": 0.02,
    "most_waiting": 10_000,
    "waiting_s": 3_600.0,
    "batch": 200,
}


def composed(delivery_id: str, items: Sequence[bytes], dropped: int) -> bytes:
    events = [json.loads(item) for item in items]
    return json.dumps({"id": delivery_id, "dropped": dropped, "events": events}).encode()


class Sender:
    """Who delivers, what it counts and what it logs."""

    def __init__(self, url: str, clock: ManualClock | None = None, **changes: Any) -> None:
        ids = count(1)
        self.counts = Deliveries()
        self.lines = StringIO()
        self.deliverer = Deliverer(
            "webhook",
            Terms(url, **{**TERMS, **changes}),
            composed,
            clock=clock or SystemClock(),
            draw=lambda: 0.5,
            make_id=lambda: f"delivery-{next(ids)}",
            log=Log(self.lines, ManualClock(), style="json"),
            counts=self.counts,
        )

    def sends(self, *numbers: int) -> None:
        for number in numbers:
            self.deliverer.send(json.dumps({"number": number}).encode())

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]


Make = Callable[..., Sender]


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    there = Endpoint()
    await there.start()
    yield there
    await there.stop()


@pytest_asyncio.fixture
async def make(endpoint: Endpoint) -> AsyncIterator[Make]:
    made: list[Sender] = []

    def make(url: str | None = None, **changes: Any) -> Sender:
        made.append(Sender(url or endpoint.url, **changes))
        return made[-1]

    yield make
    for sender in made:
        await sender.deliverer.stop(0)


async def test_events_are_told_in_order_and_together(make: Make, endpoint: Endpoint) -> None:
    sender = make()
    sender.sends(1, 2, 3)
    await eventually(lambda: endpoint.received)
    [received] = endpoint.received
    assert received.document == {
        "id": "delivery-1",
        "dropped": 0,
        "events": [{"number": number} for number in (1, 2, 3)],
    }
    assert received.headers["content-type"] == "application/json"
    assert received.headers["keepline-delivery"] == "delivery-1"
    await eventually(lambda: sender.counts.delivered == 3)


async def test_a_service_can_verify_who_sent_it_and_when(make: Make, endpoint: Endpoint) -> None:
    make().sends(1)
    await eventually(lambda: endpoint.received)
    [received] = endpoint.received
    assert received.is_signed_with(SECRET)
    assert not received.is_signed_with(SECRET + "x")
    received.body = received.body.replace(b'"number": 1', b'"number": 2')
    assert not received.is_signed_with(SECRET)


async def test_without_a_secret_nothing_is_signed(make: Make, endpoint: Endpoint) -> None:
    make(secret=None).sends(1)
    await eventually(lambda: endpoint.received)
    assert "keepline-signature" not in endpoint.received[0].headers


async def test_an_answer_that_drips_is_given_up(make: Make, endpoint: Endpoint) -> None:
    endpoint.drips = True
    sender = make(timeout_s=0.1)
    sender.sends(1)
    await eventually(lambda: sender.counts.tries >= 2)
    assert sender.logged("webhook_failing")[0]["problem"] == "no answer within 0.1 s"
    endpoint.drips = False
    await eventually(lambda: sender.counts.delivered == 1)


def test_the_signature_is_over_the_time_as_well() -> None:
    assert signature(b"s", "1", b"{}") != signature(b"s", "2", b"{}")


async def test_no_task_and_no_connection_is_there_while_nothing_happens(
    make: Make, endpoint: Endpoint
) -> None:
    before = asyncio.all_tasks()
    make()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert endpoint.connections == 0


@pytest.mark.parametrize("status", ["500 Oops", "503 Later", "429 Slow", "408 Late", "404 Gone"])
async def test_a_failure_is_tried_again_with_the_same_id_and_bytes(
    make: Make, endpoint: Endpoint, status: str
) -> None:
    endpoint.heads = [status, status]
    sender = make()
    sender.sends(1)
    await eventually(lambda: sender.counts.delivered == 1)
    assert len(endpoint.received) == 3
    assert len({received.body for received in endpoint.received}) == 1
    assert all(received.is_signed_with(SECRET) for received in endpoint.received)
    assert len(sender.logged("webhook_failing")) == 1
    assert len(sender.logged("webhook_recovered")) == 1


async def test_order_holds_through_failures(make: Make, endpoint: Endpoint) -> None:
    endpoint.heads = ["500 Oops", "204 Fine", "500 Oops"]
    sender = make(batch=2)
    sender.sends(*range(5))
    await eventually(lambda: sender.counts.delivered == 5)
    batches = [received.numbers for received in endpoint.received]
    assert batches == [[0, 1], [0, 1], [2, 3], [2, 3], [4]]


@pytest.mark.parametrize(("tries", "delivered"), [(REFUSED_TRIES - 1, 1), (REFUSED_TRIES, 0)])
async def test_what_is_refused_for_what_it_is_does_not_stop_the_rest_for_long(
    make: Make, endpoint: Endpoint, tries: int, delivered: int
) -> None:
    endpoint.heads = ["400 No"] * tries
    sender = make(batch=1)
    sender.sends(1, 2)
    await eventually(lambda: not len(sender.deliverer) and not endpoint.heads)
    await eventually(lambda: sender.counts.delivered == 1 + delivered)
    assert sender.counts.dropped == 1 - delivered
    assert endpoint.received[-1].document["dropped"] == 1 - delivered


async def test_a_redirect_is_a_refusal_and_not_followed(make: Make, endpoint: Endpoint) -> None:
    endpoint.heads = ["302 Found\r\nLocation: /elsewhere"] * REFUSED_TRIES
    sender = make()
    sender.sends(1)
    await eventually(lambda: sender.counts.dropped == 1)
    assert len(endpoint.received) == REFUSED_TRIES


async def test_retry_after_is_waited_for(make: Make, endpoint: Endpoint) -> None:
    endpoint.heads = ["503 Later\r\nRetry-After: 1"]
    sender = make()
    sender.sends(1)
    begun = time.monotonic()
    await eventually(lambda: sender.counts.delivered == 1)
    assert time.monotonic() - begun >= 1.0


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("", 0),
        ("7", 7),
        ("soon", 0),
        ("-5", 0),
        ("٣", 0),
        ("9" * 400, RETRY_AFTER_MOST_S),
        (f"Mon, 01 Jan 2024 00:00:00 +{9:0<20}", 0),
        (format_datetime(datetime.fromtimestamp(1_030, UTC), usegmt=True), 30),
        (format_datetime(datetime.fromtimestamp(900, UTC), usegmt=True), 0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(value: str, wait_s: float) -> None:
    assert retry_after_s(value, wall=1_000.0) == wait_s


async def test_waits_double_up_to_their_limit_and_half_is_left_to_chance(make: Make) -> None:
    deliverer = make(retry_min_s=1, retry_max_s=8).deliverer
    assert [deliverer._back_off_s(tries) for tries in range(1, 6)] == [0.75, 1.5, 3, 6, 6]
    deliverer._draw = lambda: 0.0
    assert deliverer._back_off_s(1_000) == 4


async def test_an_endpoint_that_is_not_there_costs_only_what_waits(
    make: Make, endpoint: Endpoint
) -> None:
    await endpoint.stop()
    sender = make(most_waiting=3, batch=1)
    sender.sends(1)
    await eventually(lambda: sender.counts.tries >= 2)
    sender.sends(*range(2, 8))
    assert len(sender.deliverer) == 3
    assert sender.counts.dropped == 3
    await endpoint.start()
    await eventually(lambda: sender.counts.delivered == 4)
    assert [received.numbers for received in endpoint.received] == [[1], [5], [6], [7]]
    assert [received.document["dropped"] for received in endpoint.received] == [0, 3, 0, 0]


@pytest.mark.parametrize(("sent", "dropped"), [(9, 0), (10, 0), (11, 1)])
async def test_as_many_wait_as_may(make: Make, sent: int, dropped: int) -> None:
    sender = make(most_waiting=10)
    sender.sends(*range(sent))
    assert (len(sender.deliverer), sender.counts.dropped) == (min(sent, 10), dropped)


async def test_a_fault_of_ours_costs_one_delivery_which_is_counted_and_told(
    make: Make, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, faults = Deliverer._judged, [ZeroDivisionError()]

    def faulty(deliverer: Deliverer, response: httpx.Response) -> object:
        if faults:
            raise faults.pop()
        return judged(deliverer, response)

    monkeypatch.setattr(Deliverer, "_judged", faulty)
    sender = make(batch=2)
    sender.sends(1, 2, 3)
    await eventually(lambda: sender.counts.delivered == 1)
    assert len(sender.logged("webhook_failed")) == 1
    assert sender.counts.dropped == 2
    assert [each.document["dropped"] for each in endpoint.received] == [0, 2]


async def test_what_has_waited_too_long_is_dropped_and_told(make: Make, endpoint: Endpoint) -> None:
    clock = ManualClock()
    endpoint.heads = ["500 Oops"]
    sender = make(clock=clock, waiting_s=60, batch=1, retry_min_s=0.05, retry_max_s=0.05)
    sender.sends(1, 2)
    await eventually(lambda: len(endpoint.received) == 1)
    clock.advance(60.5)
    sender.sends(3)
    await eventually(lambda: sender.counts.delivered >= 1)
    await eventually(lambda: endpoint.received[-1].numbers == [3])
    assert endpoint.received[-1].document["dropped"] == sender.counts.dropped > 0


async def test_a_storm_goes_out_in_few_deliveries(make: Make, endpoint: Endpoint) -> None:
    sender = make(most_waiting=15_000, batch=500)
    sender.sends(*range(15_000))
    await eventually(lambda: sender.counts.delivered == 15_000)
    assert len(endpoint.received) == 30
    numbers = [number for received in endpoint.received for number in received.numbers]
    assert numbers == list(range(15_000))
    assert endpoint.connections == 1


async def test_an_endpoint_that_does_not_answer_is_given_up_and_tried_again(
    make: Make, endpoint: Endpoint
) -> None:
    endpoint.go.clear()
    sender = make(timeout_s=0.05)
    sender.sends(1)
    await eventually(lambda: sender.counts.tries >= 2)
    [line] = sender.logged("webhook_failing")
    assert line["problem"] == "no answer within 0.05 s"
    endpoint.go.set()
    await eventually(lambda: sender.counts.delivered == 1)


async def test_a_try_has_the_time_of_the_settings_and_no_other(make: Make) -> None:
    # The client's own limit is 5 s: a server that may take 10 would be given up.
    assert make(timeout_s=10.0).deliverer._http.timeout == httpx.Timeout(None)


async def test_a_stop_delivers_what_waits(make: Make, endpoint: Endpoint) -> None:
    sender = make(batch=1)
    sender.sends(1, 2, 3)
    await sender.deliverer.stop(5)
    assert [received.numbers for received in endpoint.received] == [[1], [2], [3]]
    assert sender.logged("webhook_dropped") == []
    sender.sends(4)
    assert sender.counts.dropped == 1


async def test_a_stop_during_a_long_pause_does_not_wait_for_its_end(
    make: Make, endpoint: Endpoint
) -> None:
    endpoint.heads = ["500 Oops"]
    sender = make(retry_min_s=1_000, retry_max_s=1_000)
    sender.sends(1)
    await eventually(lambda: len(endpoint.received) == 1)
    await asyncio.wait_for(sender.deliverer.stop(60), 30)
    assert len(endpoint.received) == 2
    assert sender.counts.delivered == 1


@pytest.mark.parametrize(("way", "within_s"), [("dead", 30), ("slow", 0.2)])
async def test_a_stop_is_not_held_up_by_a_dead_or_slow_endpoint(
    make: Make, endpoint: Endpoint, way: str, within_s: float
) -> None:
    if way == "dead":
        await endpoint.stop()
    else:
        endpoint.go.clear()
    sender = make(batch=1, timeout_s=60)
    sender.sends(1, 2, 3)
    begun = time.monotonic()
    await sender.deliverer.stop(within_s)
    assert time.monotonic() - begun < 20
    assert sender.counts.dropped == 3
    assert [line["count"] for line in sender.logged("webhook_dropped")] == [3]


async def test_neither_the_path_nor_the_secret_is_ever_logged(
    make: Make, endpoint: Endpoint
) -> None:
    endpoint.heads = ["500 Oops"]
    sender = make()
    sender.sends(1)
    await eventually(lambda: sender.counts.delivered == 1)
    assert "s3cret-path" not in sender.lines.getvalue()
    assert SECRET not in sender.lines.getvalue()


async def test_tls_is_verified_against_whom_the_settings_trust(
    make: Make, endpoint: Endpoint, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    secure = Endpoint()
    await secure.start(ssl=context)
    url = f"https://localhost:{secure.port}/"
    stranger = make(url)
    stranger.sends(1)
    await eventually(lambda: stranger.logged("webhook_failing"))
    assert "CERTIFICATE_VERIFY_FAILED" in stranger.logged("webhook_failing")[0]["problem"]
    assert secure.received == []
    friend = make(url, ca_file=ca_file)
    friend.sends(1)
    await eventually(lambda: friend.counts.delivered == 1)
    await stranger.deliverer.stop(5)  # not in the middle of a handshake
    await friend.deliverer.stop(5)
    await secure.stop()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_is_none_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StartError, match=r"webhook\.ca_file"):
        Sender("https://localhost/", ca_file=path)
