"""Who keeps the alerts of a node: what they are made of, and who is told."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING, Final

from keepline.app.deeds import Deeds
from keepline.app.kept_seasons import KeptSeasons
from keepline.app.telling import STOP_TIMEOUT_S
from keepline.monitor.alerts.alerts import Alerts
from keepline.monitor.alerts.incidents import Fact, Incident
from keepline.monitor.findings import Severity
from keepline.monitor.metrics import Deliveries
from keepline.monitor.notifiers.callbacks import Callbacks
from keepline.monitor.notifiers.command import Command
from keepline.monitor.rules.rulebook import Rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepline.gateway.node import Node
    from keepline.monitor.alerts.alerts import Notifier
    from keepline.monitor.findings import Finding
    from keepline.monitor.rules.seasons import Seasons
    from keepline.monitor.sampler import Sampler
    from keepline.relay.upstreams.pool import Pool

DAY_S: Final = 86_400.0
EXPIRY_DAYS: Final = 14.0
EXPIRY_HIGH_DAYS: Final = 2.0


class Alerting:
    """The rules that are asked with each sample, the alerts, and who is told of them.

    Raises StartError for somebody who cannot be told.
    """

    def __init__(
        self,
        node: Node,
        sampler: Sampler,
        certificate_expires_at: Callable[[], float | None],
        upstreams: Pool | None = None,
    ) -> None:
        settings = node.settings
        self._node = node
        self._certificate_expires_at = certificate_expires_at
        self._upstreams = upstreams
        self._rulebook = Rulebook(settings.rules, settings.server.max_connections)
        self._kept_seasons = KeptSeasons(self.seasons, node.hub, node.log)
        self._series = sampler.rings.series
        self.deliveries = Deliveries()
        self.callbacks = Callbacks(timeout_s=settings.alerts.timeout_s, log=node.log)
        self.alerts = Alerts(
            settings.alerts,
            node.incidents,
            evaluate=self._evaluate,
            account=Deeds(node).account,
            attentive=lambda: node.ticker.now,
            is_leaving=lambda: node.drain.is_leaving or node.draining,
            is_durable=settings.data_dir is not None,
            hub=node.hub,
            clock=node.clock,
            loop=node.loop,
            log=node.log,
            notifiers=(self.callbacks, *self._outside()),
        )
        sampler.on_sample.append(self.alerts.on_sample)

    @property
    def seasons(self) -> Seasons:
        """What the hours of a week bring, as far as it is learned."""
        return self._rulebook.seasons

    async def start(self) -> None:
        """Take up what a former life has left and learned, and look from now on."""
        await self._kept_seasons.read()
        await self.alerts.start()

    async def stop(self) -> None:
        """Look no more, and tell what waits to be told, within STOP_TIMEOUT_S."""
        await self._kept_seasons.stop()
        await self.alerts.stop(STOP_TIMEOUT_S)

    def _evaluate(self, now: float) -> Sequence[Finding]:
        incidents = self._node.incidents
        expiry = expiry_of(self._certificate_expires_at(), self._node.clock.wall())
        incidents.stands(Incident.CERTIFICATE_EXPIRES, {} if expiry is None else {"": expiry})
        if self._upstreams is not None:
            incidents.stands(Incident.UPSTREAM_AWAY, away(self._upstreams))
        found = self._rulebook.evaluate(now, self._series)
        self._kept_seasons.keep()
        return found

    def _outside(self) -> list[Notifier]:
        node, settings = self._node, self._node.settings.alerts
        host = node.settings.cluster.node or socket.gethostname()
        name = f"{host}:{node.settings.server.port}"
        found: list[Notifier] = []
        if settings.command:
            command = settings.command
            found.append(Command(command, node=name, timeout_s=settings.timeout_s, log=node.log))
        if settings.url is not None:
            # An HTTP client takes 100 ms and some MiB, which most gateways need not pay for.
            from keepline.monitor.notifiers.web import Web  # noqa: PLC0415

            found.append(
                Web(
                    settings,
                    node=name,
                    clock=node.clock,
                    draw=node.random.random,
                    make_id=lambda: secrets.token_hex(16),
                    log=node.log,
                    counts=self.deliveries,
                )
            )
        return found


def expiry_of(expires_at: float | None, wall: float) -> Fact | None:
    """Return what there is to say of a certificate that ends soon."""
    left_days = None if expires_at is None else (expires_at - wall) / DAY_S
    if left_days is None or left_days > EXPIRY_DAYS:
        return None
    ends = "has expired" if left_days <= 0 else f"expires in {left_days:.1f} days"
    severity = Severity.HIGH if left_days <= EXPIRY_HIGH_DAYS else Severity.MEDIUM
    return Fact(f"the certificate of the devices' port {ends}", left_days, EXPIRY_DAYS, severity)


def away(pool: Pool) -> dict[str, Fact]:
    """Return what there is to say of each upstream that is left alone; serious when all are."""
    ejected = [each for each in pool.upstreams if each.is_ejected and not each.draining]
    left = pool.serving - len(ejected)
    severity = Severity.MEDIUM if left else Severity.HIGH
    return {
        each.name: Fact(
            f"a voice server is left alone, {left} of {pool.serving} are well:"
            f" {each.last_failure or 'it fails'}",
            severity=severity,
        )
        for each in ejected
    }
