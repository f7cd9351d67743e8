"""Somebody outside who is told of devices that come and go, where the settings name one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from keepline.gateway.presence import Presence

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.monitor.webhook import Webhook

STOP_TIMEOUT_S = 3.0


class Telling:
    """The webhook of one node and what it is told; without `webhook.url` nobody is told anything.

    Raises StartError for settings that cannot be used.
    """

    def __init__(self, node: Node, run: str | None = None) -> None:
        """Go on with the `run` of the process before this one, or begin one."""
        self.run = run or secrets.token_hex(8)
        self._begins = run is None
        self._webhook: Webhook | None = None
        settings = node.settings.webhook
        if settings.url is None:
            return
        # An HTTP client takes 100 ms and some MiB, which most gateways need not pay for.
        from keepline.monitor.webhook import Webhook  # noqa: PLC0415

        self._webhook = Webhook(
            settings,
            run=self.run,
            clock=node.clock,
            draw=node.random.random,
            make_id=lambda: secrets.token_hex(16),
            log=node.log,
            counts=node.counters.webhook,
        )
        node.presence = Presence(settings, clock=node.clock, send=self._webhook.send)
        self._presence = node.presence

    def start(self) -> None:
        """Tell that no device is connected yet, which is not so while another process leaves."""
        if self._webhook is not None and self._begins:
            self._presence.started()

    async def stop(self) -> None:
        """Tell who has left, as far as that goes within STOP_TIMEOUT_S; after the last session."""
        if self._webhook is not None:
            self._presence.tell_all()
            await self._webhook.stop(STOP_TIMEOUT_S)
