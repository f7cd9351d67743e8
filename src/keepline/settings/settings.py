"""All settings of one gateway. Nothing here reads a file or the environment.

A section is the room's own dataclass where a pure room has one (`wire`, `heartbeat`).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Self

from pydantic import Field, model_validator

from keepline.lifecycle.heartbeat import HeartbeatPolicy
from keepline.settings.alerts import Alerts
from keepline.settings.auth import Auth
from keepline.settings.cluster import Cluster
from keepline.settings.drain import Drain, check_end, check_waves
from keepline.settings.enrolment import Enrolment
from keepline.settings.flapping import Flapping
from keepline.settings.governor import Governor
from keepline.settings.handlers import Handlers
from keepline.settings.history import History
from keepline.settings.hub import Hub
from keepline.settings.isolation import Isolation
from keepline.settings.logging import Logging
from keepline.settings.monitor import Monitor
from keepline.settings.profiles import Profiles, built_in
from keepline.settings.proxy import Proxy
from keepline.settings.relay import Relay
from keepline.settings.rules import Rules
from keepline.settings.section import Section
from keepline.settings.server import Admin, Server
from keepline.settings.session import Inbox, Outbox, Session
from keepline.settings.tls import Tls
from keepline.settings.tuning import Tuning
from keepline.settings.upstream import Upstreams
from keepline.settings.webhook import Webhook
from keepline.wire.limits import Limits


class Settings(Section):
    """All settings of one gateway. `data_dir` is where state is kept, `None` for nowhere."""

    server: Server = Server()
    tls: Tls = Tls()
    proxy: Proxy = Proxy()
    admin: Admin = Admin()
    auth: Auth = Auth()
    flapping: Flapping = Flapping()
    governor: Governor = Governor()
    enrolment: Enrolment = Enrolment()
    wire: Limits = Limits()
    session: Session = Session()
    profiles: Profiles = Field(default_factory=built_in)
    heartbeat: HeartbeatPolicy = HeartbeatPolicy()
    tuning: Tuning = Tuning()
    inbox: Inbox = Inbox()
    outbox: Outbox = Outbox()
    handlers: Handlers = Handlers()
    isolation: Isolation = Isolation()
    drain: Drain = Drain()
    upstream: Upstreams = Upstreams()
    relay: Relay = Relay()
    hub: Hub = Hub()
    cluster: Cluster = Cluster()
    monitor: Monitor = Monitor()
    history: History = History()
    rules: Rules = Rules()
    alerts: Alerts = Alerts()
    webhook: Webhook = Webhook()
    log: Logging = Logging()
    data_dir: Path | None = None

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.admin.port == self.server.port != 0:
            raise ValueError("admin.port must differ from server.port")
        return self

    @model_validator(mode="after")
    def _a_message_fits_the_inbox(self) -> Self:
        if self.inbox.bytes < self.wire.message_bytes:
            raise ValueError(
                f"inbox.bytes must be at least wire.message_bytes ({self.wire.message_bytes}),"
                f" not {self.inbox.bytes}"
            )
        return self

    @model_validator(mode="after")
    def _a_drain_can_end(self) -> Self:
        profiles = self.profiles.values()
        check_waves(self.drain, self.server.max_connections, profiles, workers=self.server.workers)
        check_end(self.drain, self.session.closed_timeout_s, profiles)
        return self

    @model_validator(mode="after")
    def _workers_enrol_nobody(self) -> Self:
        policy = self.enrolment.policy
        if self.server.workers > 1 and policy not in {"auto", "off", "upstream"}:
            raise ValueError(
                f"enrolment.policy cannot be {policy} while server.workers is"
                f" {self.server.workers}: who was vouched for is known to one worker alone, and"
                " the next request comes to any"
            )
        return self

    @model_validator(mode="after")
    def _what_is_learned_has_room(self) -> Self:
        wanted_s, usual_s = self.tuning.verdict_s, self.heartbeat.verdict_s
        if wanted_s is None:
            return self
        if self.heartbeat.preset != "adaptive":
            raise ValueError("tuning.verdict_s needs heartbeat.preset to be adaptive")
        if wanted_s < usual_s:
            raise ValueError(
                f"tuning.verdict_s must be at least {usual_s:g}, not {wanted_s:g}: with"
                f" heartbeat.interval_s of {self.heartbeat.ping_every_s:g} a device that is gone"
                f" is given up after {usual_s:g} s"
            )
        return self
