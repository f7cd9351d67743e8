"""One simulated device on a real socket."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, cast

from keepline.fleet.channel import HANDSHAKE_TIMEOUT_S
from keepline.fleet.configuration import ConfigurationError
from keepline.fleet.reaction import Action
from keepline.gateway.sockets import abort

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.fleet.configuration import Configurator
    from keepline.fleet.deathwatch import Deathwatch
    from keepline.fleet.device import Device
    from keepline.fleet.endpoint import Endpoint
    from keepline.fleet.reaction import Reaction
    from keepline.fleet.tally import Tally
    from keepline.lifecycle.wheel import TimingWheel

MOST_UNSENT_BYTES: Final = 262_144
"""What waits for a server that reads nothing; a real device has room for some seconds of audio."""
_EARLY_S: Final = 1e-6  # what the wheel rounds away


@dataclass(slots=True)
class Site:
    """What all devices of one run share."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    tally: Tally
    wheel: TimingWheel[Seat]
    endpoint: Endpoint
    configurator: Configurator | None = None
    connecting: set[asyncio.Task[None]] = field(default_factory=set)
    links: set[Link] = field(default_factory=set)
    all_gone: asyncio.Event = field(default_factory=asyncio.Event)


class Seat:
    """One device with its place in the wheel and the socket it knows of."""

    __slots__ = ("_endpoint", "_frozen", "_is_over", "device", "link", "site", "wheel_tick")

    def __init__(self, site: Site, device: Device) -> None:
        self.site = site
        self.device = device
        # None: it has to ask for its configuration first.
        self._endpoint = site.endpoint if site.configurator is None else None
        self.link: Link | None = None
        self.wheel_tick = -1
        self._frozen: Link | None = None
        self._is_over = False
        self._arm()

    @property
    def is_unjudged(self) -> bool:
        """Whether its device is dead and the server has not noticed."""
        return self._frozen is not None and self._frozen.is_unjudged

    def tick(self, now: float) -> None:
        """Have the device do what is due, if its time did not move in the meantime."""
        if self._is_over:
            return
        if self.device.due > now + _EARLY_S:
            self._arm()
        else:
            self.perform(self.device.tick(now))

    def take(self, link: Link) -> None:
        """TCP is up."""
        if self._is_over:
            link.drop()
            return
        self.link = link
        self.perform(self.device.connected(self.site.now()))

    def perform(self, reaction: Reaction) -> None:
        """Write and act, then be called again when the device wants to."""
        data, action = reaction
        if data and self.link is not None:
            self.link.write(data)
        if action is not None:
            self._act(action)
        self._arm()

    def lost(self, *, reset: bool) -> None:
        """The socket it knows of is gone."""
        self.link = None
        self.device.lost(self.site.now(), reset=reset)
        self._arm()

    def end(self) -> None:
        """Hang up for good."""
        self._is_over = True
        self._forget_link(Link.hang_up)
        if self._frozen is not None:
            self._frozen.drop()

    def _arm(self) -> None:
        due = self.device.due
        if due != inf and not self._is_over:
            self.site.wheel.arm_by(self, due)

    def _act(self, action: Action) -> None:
        match action:
            case Action.CONNECT:
                self._forget_link(Link.drop)
                if self._frozen is not None:
                    self._frozen.forget_death()
                self._connect()
            case Action.HANG_UP:
                self._forget_link(Link.hang_up)
            case Action.RESET:
                self._forget_link(Link.reset)
            case Action.FREEZE:
                self._freeze()
            case Action.PAUSE if self.link is not None:
                self.link.read(wanted=False)
            case Action.RESUME if self.link is not None:
                self.link.read(wanted=True)

    def _forget_link(self, how: Callable[[Link], None]) -> None:
        link, self.link = self.link, None
        if link is not None:
            how(link)

    def _freeze(self) -> None:
        """Leave the socket open and mute; of earlier deaths nothing is kept."""
        if self._frozen is not None:
            self._frozen.drop()
        self._frozen, self.link = self.link, None
        if self._frozen is not None and self.device.deathwatch is not None:
            self._frozen.watch(self.device.deathwatch)

    def _connect(self) -> None:
        task = self.site.loop.create_task(self._open())
        self.site.connecting.add(task)
        task.add_done_callback(self.site.connecting.discard)

    async def _open(self) -> None:
        why = "timeout"
        try:
            endpoint = self._endpoint or await self._find_endpoint()
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                for address in endpoint.addresses:
                    try:
                        await self._open_to(endpoint, address)
                    except OSError as error:
                        why = _named(error)
                    else:
                        return
        except TimeoutError:
            pass
        except ConfigurationError as error:
            why = str(error)
        self.device.failed(self.site.now(), why)
        self._arm()

    async def _find_endpoint(self) -> Endpoint:
        """Ask where to connect, once in a device's life, as at its boot."""
        assert self.site.configurator is not None, "who has no endpoint asks for one"
        found = await self.site.configurator.configure(self.device.identity)
        self._endpoint, self.device.identity = found
        return self._endpoint

    async def _open_to(self, endpoint: Endpoint, address: str) -> None:
        await self.site.loop.create_connection(
            lambda: Link(self),
            address,
            endpoint.port,
            ssl=endpoint.tls,
            server_hostname=None if endpoint.tls is None else endpoint.host,
        )


class Link(asyncio.Protocol):
    """One socket. `seat` is None once its device knows nothing of it any more."""

    __slots__ = ("_death", "_site", "seat", "transport")

    def __init__(self, seat: Seat) -> None:
        self.seat: Seat | None = seat
        self._site = seat.site
        self._death: Deathwatch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be this seat's socket, unless the run is over."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        self._site.links.add(self)
        if self.seat is not None:
            self.seat.take(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the device; many frames at once take several turns of the loop."""
        seat = self.seat
        if seat is None:
            if self._death is not None:
                self._death.receive(data, self._site.now())
            return
        device = seat.device
        seat.perform(device.receive(data, self._site.now()))
        if device.pending and self.seat is not None:
            self._site.loop.call_soon(self.data_received, b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the device, if it still cares."""
        site = self._site
        site.links.discard(self)
        if not site.links:
            site.all_gone.set()
        if self._death is not None:
            self._death.ended(site.now(), reset=error is not None)
        if self.seat is not None:
            self.seat.lost(reset=error is not None)

    def write(self, data: bytes) -> None:
        """Send whole frames, or drop them when too much waits already."""
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self._site.tally.counts.unsent += 1
        else:
            self.transport.write(data)

    def read(self, *, wanted: bool) -> None:
        """Read, or have the kernel keep what comes."""
        if self.transport.is_closing():
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def hang_up(self) -> None:
        """Close TCP once everything is written."""
        self.seat = None
        self.transport.close()

    def reset(self) -> None:
        """Close TCP with a RST."""
        self.seat = None
        abort(self.transport, discard=True)

    def drop(self) -> None:
        """Close TCP at once; if it was a dead one's, nothing is learnt from that."""
        self.seat = self._death = None
        self.transport.abort()

    def watch(self, death: Deathwatch) -> None:
        """Be mute, with the socket open, and see what becomes of it."""
        self.seat = None
        self._death = death
        self.read(wanted=True)  # it may have died as a slow reader

    @property
    def is_unjudged(self) -> bool:
        """Whether this is a dead device's socket of which nothing has become yet."""
        return self._death is not None and not self._death.is_over

    def forget_death(self) -> None:
        """The device is back; what becomes of this socket is no verdict."""
        if self._death is not None:
            self._death.returned()
            self._death = None


def _named(error: OSError) -> str:
    if isinstance(error, TimeoutError | ssl.SSLError) or error.errno is None:
        return type(error).__name__
    return errno.errorcode.get(error.errno, type(error).__name__)
