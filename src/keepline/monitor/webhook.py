"""Tells a web server which devices come and go: what a delivery of events looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import json

from keepline.monitor.deliverer import Deliverer, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepline.clock import Clock
    from keepline.log import Log
    from keepline.monitor.metrics import Deliveries
    from keepline.settings.webhook import Webhook as WebhookSettings


class Webhook:
    """One endpoint; see `Deliverer`. `run` names this start of the gateway.

    Raises StartError for a `ca_file` that cannot be used.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        run: str,
        clock: Clock,
        draw: Callable[[], float],
        make_id: Callable[[], str],
        log: Log,
        counts: Deliveries,
    ) -> None:
        self._run = run
        self._clock = clock
        self._deliverer = Deliverer(
            "webhook",
            _terms_of(settings),
            self._composed,
            clock=clock,
            draw=draw,
            make_id=make_id,
            log=log,
            counts=counts,
        )

    def __len__(self) -> int:
        return len(self._deliverer)

    def send(self, event: dict[str, object]) -> None:
        """Have `event` told; the oldest that waits is dropped when there are too many."""
        self._deliverer.send(json.encode(event))

    async def stop(self, within_s: float) -> None:
        """Deliver what waits as far as it goes within the time, then give the rest up."""
        await self._deliverer.stop(within_s)

    def _composed(self, delivery_id: str, events: Sequence[bytes], dropped: int) -> bytes:
        head = {
            "id": delivery_id,
            "run": self._run,
            "sent_at": self._clock.wall(),
            "dropped": dropped,
        }
        return json.encode(head)[:-1] + b',"events":[' + b",".join(events) + b"]}"


def _terms_of(settings: WebhookSettings) -> Terms:
    assert settings.url is not None, "made only where there is somebody to tell"
    assert settings.secret is not None, "the settings see to it"
    return Terms(
        settings.url,
        settings.secret,
        settings.timeout_s,
        settings.retry_min_s,
        settings.retry_max_s,
        settings.waiting_events,
        settings.waiting_s,
        settings.batch_events,
        settings.ca_file,
    )
