"""Delivers to a web server: signed, in order, tried again, and bounded in every respect.

A server that is dead or slow costs the gateway one task and the memory of what waits, which has a
limit; what is beyond it is dropped from the old end, counted, and told with the next delivery.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from collections import deque
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from keepline.clock import Clock
    from keepline.log import Log
    from keepline.monitor.metrics import Deliveries

SIGNATURE_HEADER: Final = "Keepline-Signature"
DELIVERY_HEADER: Final = "Keepline-Delivery"
VERSION: Final = "v1"

LINGER_S: Final = 0.1
"""How long the first event of a delivery waits for others to go with it."""

REFUSED_TRIES: Final = 5
"""A delivery that the server refuses for what it is (4xx) is given up after so many."""

RETRY_AFTER_MOST_S: Final = 300.0
_ANSWER_BYTES: Final = 4_096  # read, so that the connection can be used again
_LATER: Final = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Terms(NamedTuple):
    """Where things go, and how hard it is tried. Without a `secret` nothing is signed.

    What cannot be delivered is tried again after `retry_min_s`, then ever later up to
    `retry_max_s`. `most_waiting` items wait, none longer than `waiting_s`, and `batch` at most go
    together. `ca_file` holds the certificates to trust, None stands for the public ones.
    """

    url: str
    secret: str | None
    timeout_s: float
    retry_min_s: float
    retry_max_s: float
    most_waiting: int
    waiting_s: float
    batch: int = 1
    ca_file: Path | None = None


class Waiting(NamedTuple):
    """An item that waits, and since when in monotonic time."""

    item: bytes
    since: float


class Delivery(NamedTuple):
    """What is sent, and sent again: the same bytes and the same id every time."""

    id: str
    body: bytes
    items: int
    dropped: int  # told in it
    since: float  # of its oldest item


class Answer(NamedTuple):
    """What came of one try: `problem` is empty for a delivery that was taken."""

    problem: str
    refused: bool = False
    retry_after_s: float = 0.0


class Deliverer:
    """To one web server. `send` never waits and never raises; one task delivers while items wait.

    `compose` makes the body of a delivery of its id, its items, and how many were dropped that
    nobody was told of. `name` is what it is called in the log and in errors. `draw` returns a
    random number in [0, 1), `make_id` a new id. Raises StartError for a `ca_file` that cannot be
    used.
    """

    def __init__(
        self,
        name: str,
        terms: Terms,
        compose: Callable[[str, Sequence[bytes], int], bytes],
        *,
        clock: Clock,
        draw: Callable[[], float],
        make_id: Callable[[], str],
        log: Log,
        counts: Deliveries,
    ) -> None:
        self._name = name
        self._terms = terms
        self._compose = compose
        self._url = httpx.URL(terms.url)
        self._clock = clock
        self._draw = draw
        self._make_id = make_id
        self._log = log
        self._counts = counts
        self._waiting: deque[Waiting] = deque()
        self._dropped = 0  # not told yet
        self._failing = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Neither proxies nor redirects: what is told is for this server alone. Its own limit of 5 s
        # would be there before a longer `timeout_s`, which bounds each try.
        trust = _trust(name, terms.ca_file)
        self._http = httpx.AsyncClient(verify=trust, trust_env=False, timeout=None)  # noqa: S113

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, item: bytes) -> None:
        """Have `item` told; the oldest that waits is dropped when there are too many."""
        if self._stopping.is_set():
            self._drop(1)
            return
        if len(self._waiting) >= self._terms.most_waiting:
            self._waiting.popleft()
            self._drop(1)
        self._waiting.append(Waiting(item, self._clock.now()))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._deliver_all())

    async def stop(self, within_s: float) -> None:
        """Deliver what waits as far as it goes within the time, then give the rest up."""
        self._stopping.set()  # ends every pause
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=within_s)
            if late:
                self._task.cancel()
                await asyncio.wait({self._task})
        if self._waiting:
            self._drop(len(self._waiting))
            self._waiting.clear()
        if self._dropped:
            self._log.warning(f"{self._name}_dropped", host=self._url.host, count=self._dropped)
        await self._http.aclose()

    # -- delivering ------------------------------------------------------------------------

    async def _deliver_all(self) -> None:
        try:
            while self._waiting:
                await self._pause(LINGER_S)
                self._forget_the_old()
                if self._waiting:
                    await self._deliver(self._take())
        finally:
            self._task = None

    async def _deliver(self, delivery: Delivery) -> None:
        """Have it taken, or give it up, also when cancelled."""
        is_taken = False
        try:
            is_taken = await self._tried(delivery)
        except Exception as error:  # noqa: BLE001 (a fault of ours costs a delivery, not devices)
            self._log.error(f"{self._name}_failed", error=error)
        finally:
            if not is_taken:
                self._give_up(delivery)

    async def _tried(self, delivery: Delivery) -> bool:
        """Try until it is taken; False once it was refused too often, is too old, or we stop."""
        tries = 0
        while True:
            answer = await self._try(delivery)
            tries += 1
            if not answer.problem:
                self._on_taken(delivery)
                return True
            self._on_failure(answer)
            too_old = self._clock.now() - delivery.since > self._terms.waiting_s
            refused = answer.refused and tries >= REFUSED_TRIES
            if too_old or refused or self._stopping.is_set():
                return False
            await self._pause(max(answer.retry_after_s, self._back_off_s(tries)))

    async def _try(self, delivery: Delivery) -> Answer:
        self._counts.tries += 1
        at = str(int(self._clock.wall()))
        headers = {"Content-Type": "application/json", DELIVERY_HEADER: delivery.id}
        if self._terms.secret is not None:
            proof = signature(self._terms.secret.encode(), at, delivery.body)
            headers[SIGNATURE_HEADER] = f"t={at},{VERSION}={proof}"
        try:
            async with (
                asyncio.timeout(self._terms.timeout_s),
                self._http.stream(
                    "POST", self._url, content=delivery.body, headers=headers
                ) as response,
            ):
                if int(response.headers.get("content-length", _ANSWER_BYTES + 1)) <= _ANSWER_BYTES:
                    await response.aread()
        except TimeoutError:
            return Answer(f"no answer within {self._terms.timeout_s:g} s")
        except (httpx.HTTPError, ValueError) as error:
            return Answer(f"{type(error).__name__}: {error}")
        return self._judged(response)

    def _judged(self, response: httpx.Response) -> Answer:
        status = response.status_code
        if response.is_success:
            return Answer("")
        refused = not response.is_server_error and status not in _LATER
        wait_s = retry_after_s(response.headers.get("retry-after", ""), self._clock.wall())
        return Answer(f"status {status}", refused, wait_s)

    def _back_off_s(self, tries: int) -> float:
        """Return twice as long a wait after each try, with half of it left to chance."""
        terms = self._terms
        most_s = min(terms.retry_max_s, terms.retry_min_s * 2 ** min(tries - 1, 16))
        return float(most_s * (0.5 + self._draw() / 2))

    async def _pause(self, for_s: float) -> None:
        """Wait, but not while there is a stop to be made."""
        try:
            async with asyncio.timeout(for_s):
                await self._stopping.wait()
        except TimeoutError:
            pass

    # -- what waits ------------------------------------------------------------------------

    def _take(self) -> Delivery:
        count = min(len(self._waiting), self._terms.batch)
        taken = [self._waiting.popleft() for _ in range(count)]
        dropped, self._dropped = self._dropped, 0
        delivery_id = self._make_id()
        body = self._compose(delivery_id, [each.item for each in taken], dropped)
        return Delivery(delivery_id, body, count, dropped, taken[0].since)

    def _forget_the_old(self) -> None:
        oldest = self._clock.now() - self._terms.waiting_s
        while self._waiting and self._waiting[0].since < oldest:
            self._waiting.popleft()
            self._drop(1)

    def _drop(self, count: int) -> None:
        self._dropped += count
        self._counts.dropped += count

    def _give_up(self, delivery: Delivery) -> None:
        self._drop(delivery.items)
        self._dropped += delivery.dropped  # which nobody has been told now

    # -- what is said of it ----------------------------------------------------------------

    def _on_taken(self, delivery: Delivery) -> None:
        self._counts.delivered += delivery.items
        if self._failing:
            self._failing = False
            self._log.info(f"{self._name}_recovered", host=self._url.host)

    def _on_failure(self, answer: Answer) -> None:
        if not self._failing:
            self._failing = True
            # The host alone: paths of webhooks are often secrets.
            host = self._url.host
            self._log.warning(f"{self._name}_failing", host=host, problem=answer.problem)


def signature(secret: bytes, at: str, body: bytes) -> str:
    """Return what proves that a body was sent at `at` (Unix time) by who knows the secret."""
    return hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()


def retry_after_s(value: str, wall: float) -> float:
    """Return the wait that a Retry-After header asks for, as far as we follow it; 0 for none."""
    if value.isascii() and value.isdigit():
        wait_s = float(value[:9])
    else:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):  # the latter for a time zone beyond all numbers
            return 0.0
        wait_s = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - wall
    return min(max(wait_s, 0.0), RETRY_AFTER_MOST_S)


def _trust(name: str, ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"{name}.ca_file cannot be used: {error}", "give a PEM file of certificates"
        ) from error
