"""What operators see of a node: readiness, metrics, and the routes of the admin interface."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from keepline.admin.api import Readiness, create_api
from keepline.admin.bans import ban_routes
from keepline.admin.devices import device_routes
from keepline.admin.drain import drain_routes
from keepline.admin.enrolment import enrolment_routes
from keepline.admin.events import event_routes
from keepline.admin.guard import Guard
from keepline.admin.isolation import isolation_routes
from keepline.admin.monitor import monitor_routes
from keepline.admin.server import AdminServer
from keepline.admin.upstreams import upstream_routes
from keepline.app.watching import thresholds_of
from keepline.gateway.drain.gauges import gauges_of as gauges_of_drain
from keepline.gateway.enrolment.desk import Desk
from keepline.gateway.isolation.gauges import gauges_of as gauges_of_isolation
from keepline.monitor.exposed import shown_of
from keepline.monitor.metrics import Gauge, Metrics, Tally
from keepline.relay.upstreams.gauges import gauges_of as gauges_of_upstreams
from keepline.version import __version__

if TYPE_CHECKING:
    from keepline.gateway.enrolment.endpoint import Enrolment
    from keepline.gateway.node import Node
    from keepline.monitor.sampler import Sampler
    from keepline.relay.upstreams.upkeep import Upkeep


def make_admin(node: Node, sampler: Sampler, upkeep: Upkeep | None = None) -> AdminServer:
    """Return the admin server of `node`, and of its upstreams; it does not listen yet."""
    settings = node.settings.admin
    gauges = (
        *gauges_of(node),
        *gauges_of_isolation(node),
        *shown_of(sampler, node.counters),
        *(() if upkeep is None else gauges_of_upstreams(upkeep.pool)),
    )
    metrics = Metrics(node.counters, gauges, version=__version__)
    routers = [device_routes(node), event_routes(node.hub), drain_routes(node)]
    routers.append(monitor_routes(sampler, node.counters, node.clock, thresholds_of(node.settings)))
    routers.append(isolation_routes(node))
    routers.append(ban_routes(node))
    if node.enrolment is not None:
        routers.append(enrolment_routes(Desk(node.enrolment, node.clock, node.counters)))
    if upkeep is not None:
        routers.append(upstream_routes(upkeep))
    api = create_api(ready=lambda: readiness_of(node), metrics=metrics.text, routers=routers)
    return AdminServer(settings.host, settings.port, Guard(api, settings, node.log))


def readiness_of(node: Node) -> Readiness:
    """Say whether a balancer should send devices here."""
    if node.drain.is_leaving or node.draining:
        told = node.drain.progress()
        leaving = {"phase": told.phase, "left": told.left, "eta_s": told.eta_s}
        return Readiness(ready=False, reason="draining", drain=leaving)
    if len(node.registry) + len(node.arrivals.arriving) >= node.settings.server.max_connections:
        return Readiness(ready=False, reason="full")
    return Readiness(ready=True, reason="")


def gauges_of(node: Node) -> tuple[Gauge | Tally, ...]:
    """Return what is read at each scrape."""
    enrolment = () if node.enrolment is None else _gauges_of_enrolment(node.enrolment)
    return (
        *enrolment,
        *gauges_of_drain(node.drain),
        Gauge("keepline_sessions", "Live sessions.", lambda: len(node.registry)),
        Gauge(
            "keepline_admissions",
            "Handshakes under way.",
            lambda: len(node.arrivals.admissions),
        ),
        Gauge(
            "keepline_cleanups",
            "Cleanups under way.",
            lambda: len(node.cleanups) + len(node.departures),
        ),
        Gauge(
            "keepline_held",
            "Devices and addresses that are held up for coming too often.",
            lambda: Counter(each.kind for each in node.arrivals.flapping.held()),
            label="kind",
        ),
        Gauge("keepline_deadlines", "Deadlines armed in the wheel.", lambda: node.wheel.armed),
    )


def _gauges_of_enrolment(enrolment: Enrolment) -> tuple[Gauge, ...]:
    return (
        Gauge(
            "keepline_enrolled_devices",
            "Devices that somebody vouched for, and those that are revoked.",
            enrolment.ledger.count_by_state,
            label="state",
        ),
        Gauge(
            "keepline_waiting_devices",
            "Devices that wait to be approved.",
            lambda: len(enrolment.waiting),
        ),
    )
