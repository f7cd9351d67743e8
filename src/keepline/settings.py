"""Every setting with its default and its limits. Nothing here reads a file or the environment.

A section is the room's own dataclass where a pure room has one (`wire`, `heartbeat`).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Self

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from keepline.lifecycle.heartbeat import HeartbeatPolicy
from keepline.log import Level, Style  # noqa: TC001 - pydantic reads the annotations
from keepline.wire.limits import Limits

Port = Annotated[int, Ge(0), Le(65_535)]
Count = Annotated[int, Gt(0)]
Seconds = Annotated[float, Gt(0)]
# What can stand in an HTTP header without quoting.
Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=1_024)]


class Section(BaseModel):
    """A frozen group of settings that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Server(Section):
    """Where devices connect, and how many. Port 0 lets the system choose one.

    `max_admissions` bounds the handshakes under way, apart from `max_connections`.
    `kernel_timeout_s` is how long sent bytes may stay unacknowledged before the kernel gives a
    connection up (TCP_USER_TIMEOUT); None behind a proxy, whose acknowledgements are its own.
    """

    host: str = "127.0.0.1"
    port: Port = 8_000
    max_connections: Count = 15_000
    max_admissions: Count = 4_096
    kernel_timeout_s: Seconds | None = 30.0
    backlog: Count = 4_096


class Admin(Section):
    """Where operators look: health and metrics. Loopback, since it asks for no token."""

    host: str = "127.0.0.1"
    port: Port = 8_001


class Auth(Section):
    """Who is let in: who shows `token`, or everybody when it is `None`."""

    token: Token | None = Field(default=None, repr=False)


class Session(Section):
    """How long is waited for a device.

    `hello_timeout_s` runs from accept to hello, `idle_after_s` from the last data message to
    IDLE, `close_timeout_s` from our Close frame to dropping TCP, `closed_timeout_s` bounds the
    handler's own `closed`.
    """

    hello_timeout_s: Seconds = 10.0
    idle_after_s: Seconds = 30.0
    close_timeout_s: Seconds = 1.0
    closed_timeout_s: Seconds = 5.0


class Inbox(Section):
    """What may wait for a handler: surplus audio is dropped, surplus control ends the session."""

    audio_frames: Count = 64
    control_messages: Count = 64
    bytes: Count = 262_144


class Outbox(Section):
    """What may wait for a device: as `Inbox`; no progress for `stuck_after_s` ends the session."""

    audio_frames: Count = 64
    control_messages: Count = 256
    bytes: Count = 1_048_576
    high_water_bytes: Count = 65_536
    stuck_after_s: Seconds = 30.0


class Logging(Section):
    """What is logged; `auto` is JSON unless a terminal is looking."""

    level: Level = "info"
    format: Style = "auto"
    fold_per_s: Count = 20


class Settings(Section):
    """All settings of one gateway. `data_dir` is where state is kept, `None` for nowhere."""

    server: Server = Server()
    admin: Admin = Admin()
    auth: Auth = Auth()
    wire: Limits = Limits()
    session: Session = Session()
    heartbeat: HeartbeatPolicy = HeartbeatPolicy()
    inbox: Inbox = Inbox()
    outbox: Outbox = Outbox()
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
