"""The numbers of a node that move by themselves: where they stand, and an event when one moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct, json

from keepline.gateway.governor import batch
from keepline.gateway.governor.actions import Action
from keepline.gateway.tuning import pace
from keepline.gateway.tuning.inboxes import Inboxes
from keepline.gateway.tuning.pace import Pace
from keepline.gateway.tuning.tuning import EACH_S, EVENT, SLOWLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.node import Node

TURN_MS: Final = round(1_000 * batch.TURN_S)


class Knob(NamedTuple):
    """One number: what it is, its bounds, and why it moved, given from where and to where."""

    what: str
    bottom: float
    top: float
    read: Callable[[], float]
    why: Callable[[float, float], str]


class Moved(Struct):
    """Of a minute: before, after, the least and the most meanwhile, as it was each second."""

    before: float
    after: float
    least: float
    most: float
    reason: str = ""


class Knobs:
    """All of them; `pace` is that of the samples, `inboxes` what may wait for a handler."""

    __slots__ = ("_moved", "_node", "_rest_s", "_shrunk", "all", "inboxes", "pace")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rest_s = EACH_S
        self._shrunk = 0  # so often audio may have been given up before the last sample
        self.pace = Pace(node.settings.monitor.interval_s)
        self.inboxes = inboxes = Inboxes(node.settings.inbox.audio_frames)
        self.all = (
            _batch("newcomers a turn", lambda: node.governor.crowd.per_turn),
            _batch("departures a turn", lambda: node.departures.batch.size),
            Knob("samples apart", 1, pace.MOST_APART, lambda: self.pace.one_in, self._cost),
            Knob(
                "audio frames in an inbox",
                inboxes.frames,
                inboxes.widest,
                lambda: inboxes.frames,
                lambda _before, _after: inboxes.reason,
            ),
        )
        self._moved: dict[str, Moved] = {}

    def each_second(self) -> None:
        """See what has moved; tell it once a minute."""
        for knob in self.all:
            value = knob.read()
            moved = self._moved.get(knob.what)
            if moved is None:
                self._moved[knob.what] = Moved(value, value, value, value)
            elif value != moved.after:
                moved.reason = knob.why(moved.after, value)
                moved.after = value
                moved.least, moved.most = min(moved.least, value), max(moved.most, value)
        self._rest_s -= 1
        if self._rest_s <= 0:
            self._rest_s = EACH_S * (SLOWLY if self._node.governor.is_slow else 1)
            self.tell()

    def tell(self) -> None:
        """Tell of each that has moved since the last time."""
        for what, moved in self._moved.items():
            if moved.reason:
                told = json.encode({"what": what, "changes": [moved]})
                self._node.hub.emit("", EVENT, told)
                self._node.log.info(EVENT, what=what, before=moved.before, after=moved.after)
                now = moved.after
                self._moved[what] = Moved(now, now, now, now)

    def on_sample(self) -> None:
        """See what was lost since the last time, and what waits where anything does."""
        node, governor = self._node, self._node.governor
        inboxes = node.seldom.inboxes.values()
        depth = sum(map(len, inboxes)) / max(1, len(inboxes))
        shrunk, self._shrunk = self._shrunk, governor.begun[Action.SHRINK]
        given_up = shrunk != self._shrunk or Action.SHRINK in governor.taken
        self.inboxes.note(depth, alone=len(node.registry) == 1, given_up=given_up)

    def _cost(self, _before: float, _after: float) -> str:
        return f"samples take {100 * self.pace.share:.2g} % of a core, {100 * pace.MOST:g} at most"


def _batch(what: str, read: Callable[[], float]) -> Knob:
    return Knob(what, batch.LEAST, batch.MOST, read, _why_batch)


def _why_batch(before: float, after: float) -> str:
    if after > before:
        return f"a turn of the loop has time for more: it took less than {TURN_MS} ms"
    return f"a turn of the loop took more than {TURN_MS} ms"
