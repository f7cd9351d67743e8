"""A run of a simulated fleet: its devices, their one timer, and the end of every one of them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.fleet.chance import Chance
from keepline.fleet.configuration import Configurator
from keepline.fleet.endpoint import CONFIGURATION, WEBSOCKET, look_up, read_url, trusted
from keepline.fleet.faults import NO_FAULTS
from keepline.fleet.faulty import make_device
from keepline.fleet.habits import Habits
from keepline.fleet.identity import Identity, drawn_ids
from keepline.fleet.report import report_of
from keepline.fleet.seat import Seat, Site
from keepline.fleet.tally import Tally
from keepline.lifecycle.wheel import TimingWheel

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from keepline.fleet.endpoint import Place
    from keepline.fleet.faults import Faults
    from keepline.fleet.report import Report

PROGRESS_EVERY_S: Final = 1.0
TIMER_EARLY_S = 0.001  # what uvloop rounds a delay to
TICK_S: Final = 0.005
GOODBYE_S: Final = 1.0  # what is not closed by then is dropped
MOST_IN_A_TICK: Final = 1_000


async def run_fleet(
    url: str | None,
    *,
    devices: int,
    token: str | None,
    seconds: float | None,
    seed: int,
    ramp_per_s: float,
    on_progress: Callable[[Report], None],
    habits: Habits | None = None,
    faults: Faults = NO_FAULTS,
    ota: str | None = None,
    tls: ssl.SSLContext | None = None,
    may_visit: Callable[[Place], bool] = lambda _: True,
    on_code: Callable[[str, str], None] = lambda _, __: None,
    stop: asyncio.Event | None = None,
) -> Report:
    """Let `devices` live for `seconds` (None: until `stop`, or cancelled); return their counts.

    `url` is where devices connect, `ws://host:port/path` or `wss://…` (checked with `tls`, None
    for the system's authorities). With `ota` each asks that URL first, and connects where it is
    told to, if `may_visit` says yes; `on_code` is told device id and code of those that have to be
    approved. `ramp_per_s` of them are switched on each second. The same seed gives the same
    decisions, though the network decides their order. `on_progress` is called once a second. No
    socket, timer or task is left behind, also when cancelled. Raises StartError for a URL that is
    none, or a host that nobody knows.
    """
    fleet = await _Fleet.made(url, ota, tls or trusted(None), may_visit, on_code)
    stop = stop or asyncio.Event()
    try:
        fleet.fill(
            devices,
            seed=seed,
            ramp_per_s=ramp_per_s,
            token=token,
            habits=habits or Habits(),
            faults=faults,
        )
        while seconds is None or fleet.elapsed_s < seconds - TIMER_EARLY_S:
            left_s = PROGRESS_EVERY_S if seconds is None else seconds - fleet.elapsed_s
            if await _is_set(stop, min(PROGRESS_EVERY_S, left_s)):
                break
            on_progress(fleet.report())
        fleet.settle()
        return fleet.report()
    finally:
        await fleet.end()


async def _is_set(stop: asyncio.Event, within_s: float) -> bool:
    """Return whether the run is to stop, after that time at the latest."""
    try:
        await asyncio.wait_for(stop.wait(), within_s)
    except TimeoutError:
        return False
    return True


class _Fleet:
    """The seats of one run, and the timer that calls them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.seats: list[Seat] = []
        self._started = site.now()
        self._cpu_s = _cpu_s()
        self._ramp_s = 0.0
        self._let_in = 0
        self._planned = self._started  # when the timer was to come
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def made(
        cls,
        url: str | None,
        ota: str | None,
        tls: ssl.SSLContext,
        may_visit: Callable[[Place], bool],
        on_code: Callable[[str, str], None],
    ) -> _Fleet:
        """Return an empty fleet that knows where to go. Raises StartError."""
        loop, now, tally = asyncio.get_running_loop(), SystemClock().now, Tally()
        configurator = None
        if ota is not None:
            asked = await look_up(read_url(ota, CONFIGURATION), loop, tls)
            configurator = Configurator(asked, tls, tally, may_visit, on_code)
        if url is not None:
            endpoint = await look_up(read_url(url, WEBSOCKET), loop, tls)
        elif configurator is not None:
            endpoint = configurator.asked
        else:
            raise StartError("where do devices connect?", "give --url or --ota")
        wheel: TimingWheel[Seat] = TimingWheel(now(), TICK_S)
        return cls(Site(loop, now, tally, wheel, endpoint, configurator))

    @property
    def elapsed_s(self) -> float:
        """How long it has been running."""
        return self.site.now() - self._started

    def fill(
        self,
        devices: int,
        *,
        seed: int,
        ramp_per_s: float,
        token: str | None,
        habits: Habits,
        faults: Faults,
    ) -> None:
        """Make the devices, and start the timer that will switch them on."""
        site = self.site
        for index in range(devices):
            chance = Chance(seed, index)
            device_id, client_id = drawn_ids(chance)
            identity = Identity(
                device_id=device_id,
                client_id=client_id,
                host=site.endpoint.host,  # without the port, as the firmware does
                target=site.endpoint.target,
                token=token,
                audio_version=chance.choice(habits.audio_versions),
            )
            device = make_device(
                identity,
                habits,
                chance,
                site.tally,
                first_due=self._started + index / ramp_per_s,
                faults=faults,
                started=self._started,
            )
            self.seats.append(Seat(site, device))
        self._tick()

    def _tick(self) -> None:
        site = self.site
        now = site.now()
        site.tally.lag.add(now - self._planned)
        for seat in site.wheel.advance(now, MOST_IN_A_TICK):
            seat.tick(now)
        self._planned = max(self._planned + TICK_S, now)
        self._timer = site.loop.call_later(max(0.0, self._planned - site.now()), self._tick)

    def report(self) -> Report:
        """Return the numbers as they are now."""
        let_in, elapsed_s = self.site.tally.counts.let_in, self.elapsed_s
        if let_in != self._let_in:
            self._let_in, self._ramp_s = let_in, elapsed_s
        return report_of(
            self.site.tally,
            elapsed_s=elapsed_s,
            devices=len(self.seats),
            connected=sum(seat.device.is_connected for seat in self.seats),
            talking=sum(seat.device.is_talking for seat in self.seats),
            unjudged=sum(seat.is_unjudged for seat in self.seats),
            ramp_s=self._ramp_s,
            cpu_s=_cpu_s() - self._cpu_s,
        )

    def settle(self) -> None:
        """Count what has not come by now."""
        now = self.site.now()
        for seat in self.seats:
            seat.device.settle(now)

    async def end(self) -> None:
        """Everybody hangs up; who cannot within a second is dropped."""
        site = self.site
        if self._timer is not None:
            self._timer.cancel()
        for seat in self.seats:
            seat.end()
        for task in site.connecting:
            task.cancel()
        if site.connecting:
            await asyncio.wait(site.connecting, timeout=GOODBYE_S)
        await self._wait_for_links()
        for link in site.links:
            link.transport.abort()
        await self._wait_for_links()

    async def _wait_for_links(self) -> None:
        if self.site.links:
            self.site.all_gone.clear()
            await _is_set(self.site.all_gone, GOODBYE_S)


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system
