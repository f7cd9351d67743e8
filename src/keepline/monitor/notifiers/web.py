"""Alerts for a web server: each in a request of its own, in the form that it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.monitor.deliverer import Deliverer, Terms
from keepline.monitor.notifiers.template import read_template
from keepline.monitor.notifiers.words import PLACEHOLDERS, document, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepline.clock import Clock
    from keepline.log import Log
    from keepline.monitor.alerts.alert import Notice
    from keepline.monitor.metrics import Deliveries
    from keepline.settings.alerts import Alerts as Settings

RETRY_MIN_S: Final = 1.0
RETRY_MAX_S: Final = 60.0
MOST_WAITING: Final = 500
WAITING_S: Final = 3_600.0


class Web:
    """One endpoint; see `Deliverer`. Raises StartError for a template or a file that is wrong."""

    def __init__(
        self,
        settings: Settings,
        *,
        node: str,
        clock: Clock,
        draw: Callable[[], float],
        make_id: Callable[[], str],
        log: Log,
        counts: Deliveries,
    ) -> None:
        assert settings.url is not None, "made only where there is somebody to tell"
        name = settings.template
        self._template = None if name is None else read_template(name, PLACEHOLDERS)
        self._node = node
        self._deliverer = Deliverer(
            "alerts",
            Terms(
                settings.url,
                settings.secret,
                settings.timeout_s,
                RETRY_MIN_S,
                RETRY_MAX_S,
                MOST_WAITING,
                WAITING_S,
                ca_file=settings.ca_file,
            ),
            _alone,
            clock=clock,
            draw=draw,
            make_id=make_id,
            log=log,
            counts=counts,
        )

    def tell(self, notice: Notice) -> None:
        """Have it delivered; the oldest that waits is dropped when there are too many."""
        if self._template is None:
            self._deliverer.send(document(notice, self._node))
        else:
            self._deliverer.send(self._template.filled(texts_of(notice, self._node)))

    async def stop(self, within_s: float) -> None:
        """Deliver what waits as far as it goes within the time."""
        await self._deliverer.stop(within_s)


def _alone(_id: str, items: Sequence[bytes], _dropped: int) -> bytes:
    """Each notice is a delivery: what was dropped is in our own counters."""
    return items[0]
