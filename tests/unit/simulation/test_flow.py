from __future__ import annotations

from random import Random

from keepline.simulation.flow import FIN, RST, WINDOW_BYTES, Flow, Segment
from keepline.simulation.path import Conditions, Path
from keepline.simulation.timeline import BEGIN_S, Timeline

USUAL = Conditions(0.1, 0.0)


class Pipe:
    def __init__(self, conditions: Conditions = USUAL) -> None:
        self.timeline = Timeline()
        self.path = Path(self.timeline, Random(1), conditions)
        self.came: list[Segment] = []
        self.flow = Flow(self.timeline, self.path, "down", self.came.append)

    def run(self, for_s: float) -> None:
        self.timeline.run(self.timeline.now + for_s, 10_000)


def test_what_is_sent_arrives_after_the_delay() -> None:
    pipe = Pipe()
    pipe.flow.send(b"one")
    pipe.run(0.05)
    assert pipe.came == []
    pipe.run(0.06)
    assert pipe.came == [b"one"]


def test_nothing_overtakes_whatever_the_jitter_and_the_loss() -> None:
    pipe = Pipe(Conditions(0.01, 2.0, 0.3, 0.3))
    for number in range(200):
        pipe.flow.send(number.to_bytes(4))
        pipe.run(0.01)
    pipe.run(600.0)
    assert b"".join(part for part in pipe.came if isinstance(part, bytes)) == b"".join(
        number.to_bytes(4) for number in range(200)
    )
    assert len(pipe.came) > 200  # some came in two parts


def test_a_cut_way_holds_what_is_sent_and_lets_it_go_in_one_piece() -> None:
    pipe = Pipe()
    pipe.path.block("down", BEGIN_S + 10.0)
    pipe.flow.send(b"one")
    pipe.flow.send(b"two")
    pipe.flow.send(FIN)
    pipe.run(9.9)
    assert pipe.came == []
    assert pipe.flow.held_since == BEGIN_S
    assert pipe.flow.room_bytes == WINDOW_BYTES - 6
    pipe.run(30.0)
    assert pipe.came == [b"onetwo", FIN]
    assert not pipe.flow.is_held


def test_only_the_direction_that_is_cut_is_held() -> None:
    pipe = Pipe()
    pipe.path.block("up", BEGIN_S + 10.0)
    pipe.flow.send(b"one")
    pipe.run(1.0)
    assert pipe.came == [b"one"]


def test_a_reader_that_does_not_read_can_take_a_little_and_then_the_rest() -> None:
    pipe = Pipe()
    pipe.flow.is_unread = True
    pipe.flow.send(b"123456")
    pipe.flow.read(2)
    pipe.run(1.0)
    assert pipe.came == [b"12"]
    assert pipe.flow.held_bytes == 4
    pipe.flow.read()
    pipe.run(1.0)
    assert pipe.came == [b"12", b"3456"]


def test_who_sends_is_told_of_room() -> None:
    pipe = Pipe()
    told = []
    pipe.flow.on_room = lambda: told.append(pipe.flow.held_bytes)
    pipe.flow.is_unread = True
    pipe.flow.send(b"123456")
    pipe.flow.read()
    assert told == [0]


def test_a_reset_goes_past_what_is_held_unless_the_way_is_cut() -> None:
    pipe = Pipe()
    pipe.flow.is_unread = True
    pipe.flow.send(b"held")
    pipe.flow.send_past(RST)
    pipe.run(1.0)
    assert pipe.came == [RST]
    pipe.path.block("down", pipe.timeline.now + 1.0)
    pipe.flow.send_past(RST)
    pipe.run(5.0)
    assert pipe.came == [RST]
