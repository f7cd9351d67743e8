"""A device's end of its simulated TCP connections: what the pure device wants done is done here."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from keepline.fleet.reaction import Action
from keepline.simulation.flow import FIN, RST, Flow
from keepline.simulation.router import ForgettingFlow, Mapping

if TYPE_CHECKING:
    from keepline.fleet.reaction import Reaction
    from keepline.simulation.device import SimulatedDevice
    from keepline.simulation.flow import Segment
    from keepline.simulation.path import Path
    from keepline.simulation.timeline import Timeline
    from keepline.simulation.transport import HostTransport

CONNECT_TIMEOUT_S: Final = 10.0
MOST_UNSENT_BYTES: Final = 65_536
"""What waits in a device for a gateway that reads nothing; more is not recorded."""

_AUDIO: Final = 0x82


class Place(Protocol):
    """Where devices connect."""

    def accept(self, tcp: Tcp) -> HostTransport | None:
        """Take a connection over; None when nobody listens."""


class Tcp:
    """One connection of a device. `plug` is None once its device knows nothing of it any more."""

    __slots__ = (
        "_is_over",
        "answers",
        "died_at",
        "down",
        "host",
        "kind",
        "opened_at",
        "path",
        "plug",
        "up",
        "was_streaming",
    )

    def __init__(self, plug: Plug) -> None:
        self.plug: Plug | None = plug
        self.path = plug.path
        self.host: HostTransport | None = None
        self.kind = plug.device.kind
        self.opened_at = plug.timeline.now
        self.died_at: float | None = None
        self.answers = 0  # to pings and probes, until it died
        self.was_streaming = False  # when it died
        self.up, self.down = self._flows(plug)
        self._is_over = False  # nobody at the device's end

    def _flows(self, plug: Plug) -> tuple[Flow, Flow]:
        timeline, path = plug.timeline, plug.path
        if path.forgets_s == inf:
            up = Flow(timeline, path, "up", self._arrive_up)
            return up, Flow(timeline, path, "down", self._arrive_down)
        mapping = Mapping(timeline, path.forgets_s, self._on_forgotten)
        up = ForgettingFlow(timeline, path, "up", self._arrive_up, mapping)
        return up, ForgettingFlow(timeline, path, "down", self._arrive_down, mapping)

    def _on_forgotten(self) -> None:
        if self.plug is not None:
            self.path.forgotten += 1

    @property
    def is_answered(self) -> bool:
        """Whether there is somebody who says that the connection is over."""
        return self._is_over

    def _arrive_up(self, segment: Segment) -> None:
        if self.host is not None:
            self.host.arrive(segment)

    def _arrive_down(self, segment: Segment) -> None:
        if self._is_over:
            if segment is not RST:
                self.up.send_past(RST)
        elif self.plug is not None:
            self.plug.arrive(segment)

    def end(self, mark: Segment | None) -> None:
        """The device closes its side with `mark`; what still comes is answered with a reset."""
        self._part()
        self._is_over = True
        self.down.is_lost = False
        if mark is RST:
            self.up.send_past(RST)
        elif mark is not None:
            self.up.send(mark)
        self.down.read()

    def freeze(self) -> None:
        """The device is gone: what comes is neither read nor acknowledged."""
        if self.plug is not None:
            self.died_at = self.plug.timeline.now
            self.was_streaming = self.plug.device.is_streaming
        self._part()
        self.up.drop()
        self.down.is_lost = True

    def _part(self) -> None:
        if self.plug is not None:
            self.answers = self.plug.device.pongs
        self.plug = None


class Plug:
    """One device on its way. `tcp` is the connection it knows of, `dead` the one it died on."""

    def __init__(
        self, timeline: Timeline, place: Place, path: Path, device: SimulatedDevice, address: str
    ) -> None:
        self.timeline = timeline
        self.path = path
        self.device = device
        self.address = address
        self.tcp: Tcp | None = None
        self.dead: Tcp | None = None
        self._place = place
        self._armed = 0.0  # for when
        self._is_unread = False
        device.plug = self

    def arm(self) -> None:
        """Come back when the device wants to be called."""
        due = self.device.due
        if due not in (self._armed, inf):
            self._armed = due
            self.timeline.at(max(due, self.timeline.now), self._tick, due)

    def _tick(self, due: float) -> None:
        if due != self._armed:
            return  # it has moved meanwhile
        self._armed = 0.0
        device = self.device
        if device.due <= self.timeline.now:
            self.perform(device.tick(self.timeline.now))
        else:
            self.arm()

    def arrive(self, segment: Segment) -> None:
        """Something has come for the device."""
        device, now = self.device, self.timeline.now
        if isinstance(segment, bytes):
            self.perform(device.receive(segment, now))
            while device.pending and self.tcp is not None:
                self.perform(device.receive(b"", now))
            return
        tcp, self.tcp = self.tcp, None
        if tcp is not None:
            tcp.end(FIN if segment is FIN else None)
        device.lost(now, reset=segment is RST)
        self.arm()

    def perform(self, reaction: Reaction) -> None:
        """Send and act, then be called again when the device wants to."""
        data, action = reaction
        tcp = self.tcp
        if data and tcp is not None and not _is_too_much(tcp, data):
            tcp.up.send(data)
        if action is not None:
            self._act(action)
        if self.device.due != self._armed:
            self.arm()

    def _act(self, action: Action) -> None:
        match action:
            case Action.CONNECT:
                self._end(FIN)
                self._connect()
            case Action.HANG_UP:
                self._end(FIN)
            case Action.RESET:
                self._end(RST)
            case Action.FREEZE:
                self.freeze()
            case Action.PAUSE | Action.RESUME:
                self.read(wanted=action is Action.RESUME)

    def freeze(self) -> None:
        """Die without a word."""
        if self.tcp is not None:
            self.dead, self.tcp = self.tcp, None
            self.dead.freeze()

    def reboot(self) -> None:
        """Be back, and know nothing of earlier connections: who writes to them is told so."""
        if self.dead is not None:
            self.dead.end(None)
            self.dead = None

    def read(self, *, wanted: bool) -> None:
        """Read, or leave what comes where it is."""
        if self.tcp is None:
            return
        if wanted:
            self.tcp.down.read()
        else:
            self.tcp.down.is_unread = True

    def forget(self) -> None:
        """Leave the connection alone, and make a new one: the network has changed under it."""
        if self.tcp is not None:
            self.dead, self.tcp = self.tcp, None
            self.dead.freeze()

    def _end(self, mark: Segment) -> None:
        tcp, self.tcp = self.tcp, None
        if tcp is not None:
            tcp.end(mark)

    def _connect(self) -> None:
        tcp = self.tcp = Tcp(self)
        now = self.timeline.now
        if self.path.is_whole:
            self.timeline.at(now + self.path.takes_s(), self._knock, tcp)
        self.timeline.at(now + CONNECT_TIMEOUT_S, self._fail, (tcp, "timeout"))

    def _knock(self, tcp: Tcp) -> None:
        if tcp.plug is None:
            return
        tcp.host = self._place.accept(tcp)
        answer_at = self.timeline.now + self.path.takes_s()
        if tcp.host is None:
            self.timeline.at(answer_at, self._fail, (tcp, "ECONNREFUSED"))
        else:
            self.timeline.at(answer_at, self._begin, tcp)

    def _begin(self, tcp: Tcp) -> None:
        if tcp.plug is not None:
            self.perform(self.device.connected(self.timeline.now))

    def _fail(self, failed: tuple[Tcp, str]) -> None:
        tcp, why = failed
        if tcp is self.tcp and self.device.is_connecting:
            self._end(FIN)
            self.device.failed(self.timeline.now, why)
            self.arm()


def _is_too_much(tcp: Tcp, data: bytes) -> bool:
    """Whether that is audio, and the device has no room for it."""
    return tcp.up.held_bytes >= MOST_UNSENT_BYTES and data[0] == _AUDIO
