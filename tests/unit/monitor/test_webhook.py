"""What a delivery of events looks like; how it is delivered is `test_deliverer`'s."""

from __future__ import annotations

from io import StringIO

from keepline.clock import ManualClock
from keepline.log import Log
from keepline.monitor.metrics import Deliveries
from keepline.monitor.webhook import Webhook
from keepline.settings.webhook import Webhook as WebhookSettings
from tests.unit.monitor.endpoint import Endpoint
from tests.waiting import eventually

SECRET = "a-secret-for-tests"


async def test_a_delivery_says_of_which_run_it_is_and_when_it_was_sent() -> None:
    endpoint = Endpoint()
    await endpoint.start()
    settings = WebhookSettings(url=endpoint.url, secret=SECRET)
    counts = Deliveries()
    webhook = Webhook(
        settings,
        run="run-1",
        clock=ManualClock(wall=1_000.0),
        draw=lambda: 0.5,
        make_id=lambda: "delivery-1",
        log=Log(StringIO(), ManualClock(), style="json"),
        counts=counts,
    )
    for number in (1, 2):
        webhook.send({"event": "test", "number": number})
    assert len(webhook) == 2
    await eventually(lambda: endpoint.received)
    assert endpoint.received[0].document == {
        "id": "delivery-1",
        "run": "run-1",
        "sent_at": 1_000.0,
        "dropped": 0,
        "events": [{"event": "test", "number": number} for number in (1, 2)],
    }
    assert endpoint.received[0].is_signed_with(SECRET)
    await webhook.stop(5)
    assert counts.delivered == 2
    await endpoint.stop()


def test_neither_the_path_nor_the_secret_is_in_what_settings_show() -> None:
    settings = WebhookSettings(url="https://there.example/s3cret-path", secret=SECRET)
    assert "s3cret-path" not in repr(settings)
    assert SECRET not in repr(settings)
