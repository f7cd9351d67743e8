"""A node that leaves, in time of its own: what the tests of a drain have in common."""

from __future__ import annotations

from typing import Any

from keepline.gateway.drain.drain import Drain
from keepline.gateway.gateway import Gateway
from keepline.gateway.handler import AnyHandler
from keepline.wire.messages import Hello
from tests.unit.gateway.fakes import Life, Recorder, World
from tests.unit.gateway.virtual_time import LoopClock

RETURNING = {"kiosk": {"match": "kiosk-*", "reconnect": "fixed", "reconnect_s": 10}}
TOLD = Hello(features={"reconnect": True})
LISTENS = '{"type":"listen","state":"start","mode":"auto"}'


class Leaving(World):
    """A world whose time passes by itself."""

    def __init__(self, make_handler: type[AnyHandler] = Recorder, **sections: Any) -> None:
        super().__init__(make_handler, clock=LoopClock(), **sections)
        self.gateway = Gateway(self.node)
        self.gateway.keep_time()
        self.began_at = self.clock.now()

    @property
    def drain(self) -> Drain:
        return self.node.drain

    @property
    def passed_s(self) -> float:
        """How long it is since the start."""
        return round(self.clock.now() - self.began_at, 3)

    def of_profile(self, name: str, device_id: str, hello: Hello | None = None) -> Life:
        """Return a living connection of a device of that profile."""
        life = self.connect(device_id, hello)
        life.connection.profile = self.node.settings.profiles[name]
        return life

    def phases(self) -> list[str]:
        """What the log says of the drain's way."""
        lines = self.logged("drain")
        return [line["phase"] for line in lines if line["level"] == "info"]
