"""What the process that looks after workers goes by: little enough to stand in a command line."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.log.log import Level, Style


@dataclass(frozen=True, slots=True)
class Terms:
    """Plain values; sockets, and the locked data directory, by their descriptors.

    `command` is how a worker is started, and `arguments` what stands behind its program. `broker`
    is the NATS server to be started, "" for none.
    """

    command: Sequence[str]
    arguments: Sequence[str]
    workers: int
    devices: Sequence[int]
    admin: int
    run_dir: str
    data_dir: str
    lock: int | None
    broker: str
    log_level: Level
    log_style: Style
    log_fold_per_s: int

    @property
    def descriptors(self) -> list[int]:
        """All that is to be inherited."""
        return [*self.devices, self.admin, *(() if self.lock is None else (self.lock,))]

    def sockets(self) -> tuple[list[socket.socket], socket.socket]:
        """Return those of devices and operators, no more to be inherited; once."""
        for descriptor in self.descriptors:
            os.set_inheritable(descriptor, False)
        devices = [socket.socket(fileno=number) for number in self.devices]
        return devices, socket.socket(fileno=self.admin)

    def store(self) -> Path:
        """Return below which directory the broker keeps what it has."""
        return Path(self.data_dir or self.run_dir)

    def text(self) -> str:
        """Return them as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Terms:
        """Return what was made a text."""
        return cls(**json.loads(text))
