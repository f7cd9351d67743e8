from __future__ import annotations

from random import Random

from keepline.simulation.flow import RST, Segment
from keepline.simulation.path import Conditions, Path
from keepline.simulation.router import ForgettingFlow, Mapping
from keepline.simulation.timeline import Timeline

FORGETS_S = 60.0


class Way:
    """A router between two ends."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.came: list[Segment] = []
        self.lost = 0
        path = Path(self.timeline, Random(1), Conditions(0.1, 0.0))
        mapping = Mapping(self.timeline, FORGETS_S, self.lose)
        self.up = ForgettingFlow(self.timeline, path, "up", self.came.append, mapping)
        self.down = ForgettingFlow(self.timeline, path, "down", self.came.append, mapping)

    def lose(self) -> None:
        self.lost += 1

    def run(self, for_s: float) -> None:
        self.timeline.run(self.timeline.now + for_s, 10_000)


def test_what_passes_in_either_direction_keeps_a_connection_known() -> None:
    way = Way()
    for flow in (way.up, way.down) * 5:
        way.run(FORGETS_S - 1)
        flow.send(b"ping")
    way.run(1)
    assert way.came == [b"ping"] * 10
    assert way.lost == 0


def test_after_a_silence_nothing_passes_any_more_and_nobody_is_told() -> None:
    way = Way()
    way.run(FORGETS_S + 1)
    way.down.send(b"ping")
    way.up.send(b"pong")
    way.up.send_past(RST)
    way.run(1_000)
    assert way.came == []
    assert way.lost == 1
    assert way.down.held_since is not None, "the kernel waits for its acknowledgement"


def test_what_was_lost_does_not_come_when_the_device_has_hung_up() -> None:
    way = Way()
    way.run(FORGETS_S + 1)
    way.down.send(b"ping")
    way.down.is_lost = False
    way.down.read()
    way.run(1_000)
    assert way.came == []
