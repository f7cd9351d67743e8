"""With which other nodes a gateway shares its devices, and by what."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Literal, Self

from annotated_types import Ge, Le
from pydantic import Field, StringConstraints, model_validator

from keepline.settings.section import Section

_SERVER = re.compile(r"(nats|tls|ws|wss)://[^\s/]+/?")


class Cluster(Section):
    """Other nodes, met at NATS servers with JetStream; docs/cluster.md explains it.

    `url` has the servers, separated by commas, and without one there is no cluster. `node` is this
    node's name among all, of which no two have the same: the host's, where none is set. Records
    that are not there yet are kept `replicas` times. A device waits up to `claim_timeout_s` to be
    given here. While nobody can be asked a device is sent away (`refuse`) or let in without what
    it left (`admit`), at the price that two nodes may have it for a while.
    """

    url: Annotated[str, StringConstraints(max_length=4_096)] | None = Field(
        default=None, repr=False
    )
    credentials_file: Path | None = None
    node: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)] | None = (
        None
    )
    replicas: Annotated[int, Ge(1), Le(5)] = 1
    claim_timeout_s: Annotated[float, Ge(1), Le(60)] = 7.0
    when_away: Literal["refuse", "admit"] = "refuse"

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses in `url`, none without a cluster."""
        return tuple(part.strip() for part in (self.url or "").split(",") if part.strip())

    @model_validator(mode="after")
    def _are_addresses(self) -> Self:
        if self.url is not None and not self.servers:
            raise ValueError("url must name a server")
        if not all(_SERVER.fullmatch(server) for server in self.servers):
            # not repeated: there may be a password in it
            raise ValueError("url must be nats://host:port, several of them separated by commas")
        return self
