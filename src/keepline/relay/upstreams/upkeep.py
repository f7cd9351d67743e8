"""The pool at work: its checks, its lines in the log, and what operators do to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.relay.upstreams.checks import check
from keepline.relay.upstreams.pool import Pool

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from keepline.clock import Clock
    from keepline.log import Log
    from keepline.relay.upstreams.upstream import Change, Upstream
    from keepline.settings.upstream import Upstreams

JITTER: Final = 0.1  # of the time between checks: many gateways do not ask in step

HINT: Final = "start it, or set --upstream (upstream.urls) to where it is; it is tried on and on"


class Upkeep:
    """All upstreams of one gateway, from `start` to `stop`.

    `random` returns a number in [0, 1). `on_draining` is told of an upstream that is to be empty.
    """

    def __init__(
        self, settings: Upstreams, *, clock: Clock, log: Log, random: Callable[[], float]
    ) -> None:
        self.pool = Pool(settings, self._on_change)
        self.on_draining: Callable[[Upstream], None] | None = None
        self._settings = settings
        self._clock = clock
        self._log = log
        self._random = random
        self._checks: set[asyncio.Task[None]] = set()

    def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Begin to check, on the running loop; `tls` is what `wss` is checked with."""
        check_s = self._settings.check_s
        if check_s is None:
            return
        loop = asyncio.get_running_loop()
        for upstream in self.pool.upstreams:
            self._checks.add(loop.create_task(self._check_on(upstream, check_s, tls)))

    async def stop(self) -> None:
        """End the checks."""
        for task in self._checks:
            task.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        self._checks.clear()

    def now(self) -> float:
        """Return the time that upstreams go by."""
        return self._clock.now()

    def drain(self, name: str) -> Upstream | None:
        """Have an upstream take nothing new and be empty soon; None if there is no such one."""
        upstream = self.pool.find(name)
        if upstream is not None:
            upstream.drain()
            if self.on_draining is not None:
                self.on_draining(upstream)
        return upstream

    def undrain(self, name: str) -> Upstream | None:
        """Have it take new connections again; None if there is no such one."""
        upstream = self.pool.find(name)
        if upstream is not None:
            upstream.undrain(self._clock.now())
        return upstream

    async def _check_on(
        self, upstream: Upstream, check_s: float, tls: ssl.SSLContext | None
    ) -> None:
        wrong = await self._look(upstream, tls)
        if wrong:  # told at once: else who has mistyped it would wait for two checks
            self._log.warning("upstream_not_reached", upstream=upstream.name, why=wrong, hint=HINT)
        wait_s = check_s * self._random()
        while True:
            await asyncio.sleep(wait_s)
            wrong = await self._look(upstream, tls)
            if wrong is not None:
                upstream.checked(self._clock.now(), wrong)
            wait_s = check_s * (1 + JITTER * (2 * self._random() - 1))

    async def _look(self, upstream: Upstream, tls: ssl.SSLContext | None) -> str | None:
        """Return what is wrong, "" for nothing; None where we failed to look."""
        settings = self._settings
        try:
            return await check(upstream, settings.check_path, settings.check_timeout_s, tls)
        except Exception as error:  # noqa: BLE001 (a fault of ours costs one look, not all)
            self._log.error("upstream_check_failed", upstream=upstream.name, error=error)
            return None

    def _on_change(self, change: Change) -> None:
        upstream = change.upstream
        if upstream is None:
            if change.what == "panic":
                self._log.error("upstreams_panic", hint="so many are ejected that all serve")
            else:
                self._log.info("upstreams_panic_over")
        elif change.what == "ejected":
            self._log.warning(
                "upstream_ejected",
                upstream=upstream.name,
                why=change.why,
                for_s=change.for_s,
                live=upstream.live,
            )
        else:
            self._log.info(f"upstream_{change.what}", upstream=upstream.name, live=upstream.live)
