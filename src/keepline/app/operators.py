"""What operators see of a node: readiness, metrics, and the routes of the admin interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.admin.alerts import alert_routes
from keepline.admin.api import Readiness, create_api
from keepline.admin.bans import ban_routes
from keepline.admin.capacity import capacity_routes
from keepline.admin.devices import device_routes
from keepline.admin.drain import drain_routes
from keepline.admin.enrolment import enrolment_routes
from keepline.admin.events import event_routes
from keepline.admin.glance import Seen, glance_routes
from keepline.admin.governor import governor_routes
from keepline.admin.guard import Guard
from keepline.admin.isolation import isolation_routes
from keepline.admin.monitor import monitor_routes
from keepline.admin.page import page_routes
from keepline.admin.server import AdminServer
from keepline.admin.table import table_routes
from keepline.admin.tuning import tuning_routes
from keepline.admin.upstreams import upstream_routes
from keepline.app.watching import thresholds_of
from keepline.gateway.drain.gauges import gauges_of as gauges_of_drain
from keepline.gateway.enrolment.desk import Desk
from keepline.gateway.flapping.flapping import KINDS
from keepline.gateway.governor.gauges import gauges_of as gauges_of_governor
from keepline.gateway.isolation.gauges import gauges_of as gauges_of_isolation
from keepline.monitor.alerts.gauges import gauges_of as gauges_of_alerts
from keepline.monitor.exposition import Metrics, Shown, ShownCounter, ShownGauge, ShownHistogram
from keepline.monitor.sampled import shown_of
from keepline.relay.upstreams.gauges import gauges_of as gauges_of_upstreams
from keepline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.admin.former import Former
    from keepline.app.alerting import Alerting
    from keepline.gateway.enrolment.endpoint import Enrolment
    from keepline.gateway.node import Node
    from keepline.hub.port import Hub
    from keepline.monitor.sampler import Sampler
    from keepline.relay.upstreams.upkeep import Upkeep


def make_admin(
    node: Node,
    sampler: Sampler,
    alerting: Alerting,
    upkeep: Upkeep | None = None,
    certificate_expires_at: Callable[[], float | None] = lambda: None,
    *,
    former: Former | None = None,
) -> AdminServer:
    """Return the admin server of `node`, its upstreams and its `former` process.

    It does not listen yet.
    """
    settings = node.settings.admin
    metrics = metrics_of(node, sampler, alerting, upkeep, certificate_expires_at)
    thresholds = thresholds_of(node.settings)

    def ready() -> Readiness:
        return readiness_of(node)

    seen = Seen(node, sampler, alerting.alerts, thresholds, ready, __version__)
    routers = [page_routes(), glance_routes(seen), table_routes(node)]
    routers += [device_routes(node, former), event_routes(node.hub), drain_routes(node)]
    routers.append(monitor_routes(sampler, node.counters, node.clock, thresholds))
    routers.append(capacity_routes(sampler, node.settings))
    routers.append(isolation_routes(node))
    routers.append(governor_routes(node))
    routers.append(tuning_routes(node))
    routers.append(ban_routes(node))
    routers.append(alert_routes(alerting.alerts, node.clock.wall))
    if node.enrolment is not None:
        routers.append(enrolment_routes(Desk(node.enrolment, node.clock, node.counters)))
    if upkeep is not None:
        routers.append(upstream_routes(upkeep))
    api = create_api(ready=ready, metrics=metrics.text, routers=routers)
    return AdminServer(settings.host, settings.port, Guard(api, settings, node.log))


def metrics_of(
    node: Node,
    sampler: Sampler,
    alerting: Alerting,
    upkeep: Upkeep | None,
    certificate_expires_at: Callable[[], float | None],
) -> Metrics:
    """Return all that a scrape of `node` is shown."""
    shown = (
        *gauges_of(node),
        ShownGauge(
            "keepline_certificate_expiry_timestamp_seconds",
            "Until when the certificate of the devices' port is good, in Unix time.",
            certificate_expires_at,
        ),
        *gauges_of_isolation(node),
        *gauges_of_governor(node.governor),
        *shown_of(sampler, node.counters),
        *gauges_of_alerts(alerting.alerts, alerting.deliveries, node.clock),
        *(() if upkeep is None else gauges_of_upstreams(upkeep.pool)),
    )
    return Metrics(node.counters, shown, version=__version__)


def readiness_of(node: Node) -> Readiness:
    """Say whether a balancer should send devices here."""
    if node.drain.is_leaving or node.draining:
        told = node.drain.progress()
        leaving = {"phase": told.phase, "left": told.left, "eta_s": told.eta_s}
        return Readiness(ready=False, reason="draining", drain=leaving)
    if len(node.registry) + len(node.arrivals.arriving) >= node.settings.server.max_connections:
        return Readiness(ready=False, reason="full")
    if node.governor.refuses_all:
        return Readiness(ready=False, reason="overloaded")
    return Readiness(ready=True, reason="")


def gauges_of(node: Node) -> tuple[Shown, ...]:
    """Return what is read at each scrape."""
    enrolment = () if node.enrolment is None else _gauges_of_enrolment(node.enrolment)
    return (
        *enrolment,
        *gauges_of_drain(node.drain),
        *_shown_of_hub(node.hub),
        ShownGauge(
            "keepline_ready", "1 while devices may be sent here.", lambda: readiness_of(node)[0]
        ),
        ShownGauge("keepline_sessions", "Live sessions.", lambda: len(node.registry)),
        ShownGauge(
            "keepline_sessions_limit",
            "How many sessions there may be.",
            lambda: node.settings.server.max_connections,
        ),
        ShownGauge(
            "keepline_admissions",
            "Handshakes under way.",
            lambda: len(node.arrivals.admissions),
        ),
        ShownGauge(
            "keepline_admissions_limit",
            "How many handshakes may be under way.",
            lambda: node.settings.server.max_admissions,
        ),
        ShownGauge(
            "keepline_cleanups",
            "Cleanups under way.",
            lambda: len(node.cleanups) + len(node.departures),
        ),
        ShownGauge(
            "keepline_held_peers",
            "Devices and addresses that are held up for coming too often.",
            node.arrivals.flapping.count_held,
            label="kind",
            values=KINDS,
        ),
        ShownGauge(
            "keepline_mass_suspicion",
            "1 while so many devices are silent that our own side is suspected.",
            lambda: node.breaker.tripped,
        ),
        ShownGauge("keepline_deadlines", "Deadlines armed in the wheel.", lambda: node.wheel.armed),
    )


def _shown_of_hub(hub: Hub) -> tuple[Shown, ...]:
    return (
        ShownGauge(
            "keepline_hub_up",
            "1 while what is to be remembered can be written.",
            lambda: not hub.writing().is_down,
        ),
        ShownCounter(
            "keepline_hub_events_lost",
            "Events that are not remembered, as too many waited to be written.",
            lambda: hub.writing().events_lost,
        ),
        ShownCounter(
            "keepline_hub_own_lost",
            "Samples and notes of the gateway's own that are not kept, as too many writes waited.",
            lambda: hub.writing().own_lost,
        ),
        ShownHistogram(
            "keepline_hub_write_duration_seconds",
            "Time of a write from its asking to its commit.",
            lambda: hub.writing().latency,
        ),
    )


def _gauges_of_enrolment(enrolment: Enrolment) -> tuple[ShownGauge, ...]:
    return (
        ShownGauge(
            "keepline_enrolled_devices",
            "Devices that somebody vouched for, and those that are revoked.",
            enrolment.ledger.count_by_state,
            label="state",
            values=("enrolled", "revoked"),
        ),
        ShownGauge(
            "keepline_waiting_devices",
            "Devices that wait to be approved.",
            lambda: len(enrolment.waiting),
        ),
    )
