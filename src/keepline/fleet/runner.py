"""Real sockets for simulated devices, and the end of every one of them."""

from __future__ import annotations

import asyncio
import uuid
from random import Random
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from keepline.errors import StartError
from keepline.fleet.device import HANDSHAKE_TIMEOUT_S, Action, Device, Identity, Reaction
from keepline.fleet.habits import Habits
from keepline.fleet.report import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.fleet.report import Report

PROGRESS_EVERY_S: Final = 1.0
TIMER_EARLY_S = 0.001  # what uvloop rounds a delay to
GOODBYE_S: Final = 1.0  # what is not closed by then is dropped


async def run_fleet(
    url: str,
    *,
    devices: int,
    token: str | None,
    seconds: float | None,
    seed: int,
    ramp_per_s: float,
    on_progress: Callable[[Report], None],
    habits: Habits | None = None,
) -> Report:
    """Let `devices` live for `seconds` (None: until cancelled) and return what they counted.

    `url` is where devices connect, `ws://host:port/path`. `ramp_per_s` of them are switched on
    each second. The same seed gives the same habits, though the network decides their order.
    `on_progress` is called once a second. No socket, timer or task is left behind, also when
    cancelled. Raises StartError for a URL that is none.
    """
    loop = asyncio.get_running_loop()
    fleet = _Fleet(url, loop)
    started = loop.time()

    def report() -> Report:
        return fleet.report(elapsed_s=loop.time() - started)

    try:
        for index in range(devices):
            random = Random(f"{seed}/{index}")  # noqa: S311 (a simulation)
            fleet.add(token, habits or Habits(), random, first_due=started + index / ramp_per_s)
        while seconds is None or loop.time() - started < seconds - TIMER_EARLY_S:
            left_s = PROGRESS_EVERY_S if seconds is None else started + seconds - loop.time()
            await asyncio.sleep(min(PROGRESS_EVERY_S, left_s))
            on_progress(report())
        return report()
    finally:
        await fleet.end()


class _Fleet:
    """The seats of one run and what they share."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        parts = urlsplit(url)
        if parts.scheme != "ws" or not parts.hostname:
            raise StartError(f"{url!r} is not where a device connects", "use ws://HOST:PORT/PATH")
        self.host = parts.hostname
        self.port = parts.port or 80
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.loop = loop
        self.tally = Tally()
        self.seats: list[_Seat] = []
        self.connecting: set[asyncio.Task[None]] = set()
        self.links: set[_Link] = set()

    def add(self, token: str | None, habits: Habits, random: Random, *, first_due: float) -> None:
        identity = Identity(
            device_id="02:" + random.randbytes(5).hex(":"),  # locally administered
            client_id=str(uuid.UUID(bytes=random.randbytes(16), version=4)),
            host=self.host,  # without the port, as the firmware does
            target=self.target,
            token=token,
            audio_version=random.choice(habits.audio_versions),
        )
        device = Device(identity, habits, random, self.tally, first_due=first_due)
        self.seats.append(_Seat(self, device))

    def report(self, *, elapsed_s: float) -> Report:
        return self.tally.report(
            elapsed_s=elapsed_s,
            devices=len(self.seats),
            connected=sum(seat.device.is_connected for seat in self.seats),
            talking=sum(seat.device.is_talking for seat in self.seats),
        )

    async def end(self) -> None:
        """Everybody hangs up; who cannot within a second is dropped."""
        for seat in self.seats:
            seat.end()
        for task in self.connecting:
            task.cancel()
        if self.connecting:
            await asyncio.wait(self.connecting, timeout=GOODBYE_S)
        await self._wait_for_links()
        for link in self.links:
            link.transport.abort()
        await self._wait_for_links()

    async def _wait_for_links(self) -> None:
        if self.links:
            await asyncio.wait([link.gone for link in self.links], timeout=GOODBYE_S)


class _Seat:
    """One device with its timer and the socket it knows of."""

    def __init__(self, fleet: _Fleet, device: Device) -> None:
        self.fleet = fleet
        self.device = device
        self.link: _Link | None = None
        self._frozen: _Link | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._ended = False
        self._set_timer()

    def take(self, link: _Link) -> None:
        """TCP is up."""
        if self._ended:
            link.drop()
            return
        self.link = link
        self.perform(self.device.connected(self.fleet.loop.time()))

    def perform(self, reaction: Reaction) -> None:
        """Write and act, then be called again when the device wants to."""
        link = self.link
        if link is not None and reaction.data and not link.transport.is_closing():
            link.transport.write(reaction.data)
        if reaction.action is Action.CONNECT:
            self._forget_link(_Link.drop)
            self._connect()
        elif reaction.action is Action.HANG_UP:
            self._forget_link(_Link.hang_up)
        elif reaction.action is Action.FREEZE:
            self._freeze()
        self._set_timer()

    def lost(self) -> None:
        """The socket it knows of is gone, or did not come up."""
        self.link = None
        self.device.lost(self.fleet.loop.time())
        self._set_timer()

    def end(self) -> None:
        """Hang up for good."""
        self._ended = True
        self._forget_link(_Link.hang_up)
        if self._frozen is not None:
            self._frozen.drop()
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        due = self.device.due
        if self._ended or (self._timer is not None and self._timer_at == due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if due != float("inf"):
            self._timer_at = due
            self._timer = self.fleet.loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.perform(self.device.tick(self.fleet.loop.time()))

    def _forget_link(self, how: Callable[[_Link], None]) -> None:
        link, self.link = self.link, None
        if link is not None:
            how(link)

    def _freeze(self) -> None:
        """Leave the socket open and deaf; of earlier deaths nothing is kept."""
        if self._frozen is not None:
            self._frozen.drop()
        self._frozen, self.link = self.link, None
        if self._frozen is not None:
            self._frozen.freeze()

    def _connect(self) -> None:
        task = self.fleet.loop.create_task(self._open())
        self.fleet.connecting.add(task)
        task.add_done_callback(self.fleet.connecting.discard)

    async def _open(self) -> None:
        fleet = self.fleet
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await fleet.loop.create_connection(lambda: _Link(self), fleet.host, fleet.port)
        except (OSError, TimeoutError):
            self.lost()


class _Link(asyncio.Protocol):
    """One socket. `seat` is None once its device knows nothing of it any more."""

    def __init__(self, seat: _Seat) -> None:
        self.seat: _Seat | None = seat
        self.gone: asyncio.Future[None] = seat.fleet.loop.create_future()
        self._fleet = seat.fleet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be this seat's socket, unless the run is over."""
        transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        self.transport = transport
        self._fleet.links.add(self)
        if self.seat is not None:
            self.seat.take(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the device; many frames at once take several turns of the loop."""
        seat = self.seat
        if seat is None:
            return
        seat.perform(seat.device.receive(data, self._fleet.loop.time()))
        if self.seat is not None and seat.device.pending:
            self._fleet.loop.call_soon(self.data_received, b"")

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell the device, if it still cares."""
        self._fleet.links.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)
        if self.seat is not None:
            self.seat.lost()

    def hang_up(self) -> None:
        """Close TCP once everything is written."""
        self.seat = None
        self.transport.close()

    def drop(self) -> None:
        """Close TCP at once."""
        self.seat = None
        self.transport.abort()

    def freeze(self) -> None:
        """Be deaf and mute, with the socket open."""
        self.seat = None
        if not self.transport.is_closing():
            self.transport.pause_reading()
