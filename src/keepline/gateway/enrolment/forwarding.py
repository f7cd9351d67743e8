"""Has a voice server of the operator's configure the devices: policy `upstream`.

Its own configuration address is asked in the device's words, and its answer passed on: activation,
firmware, time. Only where the device connects is ours. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Final, NoReturn

import httpx
import msgspec

from keepline.errors import RefusedError
from keepline.gateway.auth.answering import UnusableError, read_bounded
from keepline.gateway.auth.circuit import Circuit, dislikes_the_question
from keepline.gateway.enrolment.rewriting import rewrite
from keepline.gateway.paths import ACTIVATION_PATH
from keepline.reasons import CloseReason
from keepline.wire.handshake import json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.clock import Clock
    from keepline.log import Log
    from keepline.settings.enrolment import Enrolment
    from keepline.wire.handshake import Request

MOST_UNDER_WAY: Final = 64
ANSWER_BYTES: Final = 65_536
FAILURES: Final = 5
PAUSE_S: Final = 10.0
RETRY_AFTER_S: Final = 10  # what stock firmware waits between its tries anyway
MOST_RETRY_AFTER_S: Final = 3_600

PASSED_ON: Final[tuple[str, ...]] = (
    *("accept-language", "activation-version", "client-id", "content-type", "device-id"),
    *("serial-number", "user-agent"),
)
"""What a device says of itself; all else is between it and us."""

_OK, _ACCEPTED = 200, 202
_REASONS: Final = {
    401: CloseReason.FORBIDDEN,
    403: CloseReason.FORBIDDEN,
    404: CloseReason.NOT_FOUND,
    429: CloseReason.RATE_LIMITED,
}
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class _Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    retry_after: str


class Forwarding:
    """Asks the voice server for what devices ask us; `aclose` when nobody asks any more."""

    def __init__(
        self,
        settings: Enrolment,
        clock: Clock,
        log: Log,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Make ready; nothing is asked yet. `transport` is for tests."""
        assert settings.upstream_url is not None
        self._url = settings.upstream_url
        self._timeout_s = settings.upstream_timeout_s
        self._keeps_mqtt = settings.upstream_mqtt
        self._clock = clock
        self._log = log
        self._circuit = Circuit(failures=FAILURES, pause_s=PAUSE_S)
        self._under_way = 0
        # `trust_env` would send what devices say through whatever proxy the environment names.
        self._client = httpx.AsyncClient(
            timeout=settings.upstream_timeout_s,
            limits=httpx.Limits(max_connections=MOST_UNDER_WAY),
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
            transport=transport,
        )

    async def configure(
        self, request: Request, url: str, make_token: Callable[[], str] | None
    ) -> bytes:
        """Return the whole HTTP answer to a configuration request; `url` is where to connect.

        `make_token` is None where the voice server judges its tokens itself. Raises RefusedError
        400, 403, 404, 429 as the voice server says so, and 503 without a usable answer.
        """
        answer = await self._ask(request, self._url, {_OK})
        try:
            rewritten = rewrite(answer.body, url, make_token, keeps_mqtt=self._keeps_mqtt)
        except UnusableError as error:
            self._on_failure(str(error), paused=False)
            _unavailable()
        if not rewritten.connects and b'"activation"' not in rewritten.body:
            self._log.warning(
                "configuration_without_websocket",
                device_id=request.headers.get("device-id", ""),
                hint="the voice server told this device nothing of a websocket",
            )
        return json_response(_OK, rewritten.body)

    async def activate(self, request: Request) -> bytes:
        """Return the whole HTTP answer to `…/activate`: 200 or 202. Raises as `configure` does."""
        url = f"{self._url.rstrip('/')}/{ACTIVATION_PATH.rpartition('/')[2]}"
        answer = await self._ask(request, url, {_OK, _ACCEPTED})
        # The firmware goes by the status alone.
        return json_response(answer.status, b"{}")

    async def aclose(self) -> None:
        """Close the connections to the voice server."""
        await self._client.aclose()

    # -- asking ----------------------------------------------------------------------------

    async def _ask(self, request: Request, url: str, wanted: set[int]) -> _Answer:
        if self._under_way >= MOST_UNDER_WAY:
            _unavailable()
        now = self._clock.now()
        if not self._circuit.begin(now):
            _unavailable()
        self._under_way += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(request, url)
        except (UnusableError, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # No field of it is the URL or what the device said.
            detail = f"{type(error).__name__}: {error}".removeprefix("UnusableError: ")
            self._on_failure(detail, paused=self._circuit.failed(self._clock.now()))
            _unavailable()
        except BaseException:
            self._circuit.abandoned()
            raise
        finally:
            self._under_way -= 1
        if answer.status not in wanted and not _is_refusal(answer.status):
            paused = self._circuit.failed(self._clock.now())
            self._on_failure(f"status {answer.status}", paused=paused)
            _unavailable(answer.retry_after)
        if self._circuit.succeeded():
            self._log.info("configuration_upstream_answers_again")
        if answer.status not in wanted:
            _refuse(answer)
        return answer

    async def _exchange(self, request: Request, url: str) -> _Answer:
        said = request.headers
        headers = {name: said[name] for name in PASSED_ON if name in said}
        headers |= {"accept-encoding": "identity", "x-forwarded-for": request.address}
        # Who asks was read in the header where it is there; a token is not for the voice server.
        query = {
            name: value
            for name, value in request.query.items()
            if name != "authorization" and not headers.get(name)
        }
        async with self._client.stream(
            "POST",
            url,
            params=query or None,
            # As they came: httpx by itself takes ASCII only.
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            content=request.body,
        ) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise UnusableError("an answer that is compressed")
            body = await read_bounded(response, ANSWER_BYTES)
            return _Answer(response.status_code, body, response.headers.get("retry-after", ""))

    def _on_failure(self, detail: str, *, paused: bool) -> None:
        self._log.warning("configuration_upstream_failed", detail=detail, paused=paused)


def _is_refusal(status: int) -> bool:
    return dislikes_the_question(status) or _REASONS.get(status) is CloseReason.RATE_LIMITED


def _refuse(answer: _Answer) -> NoReturn:
    reason = _REASONS.get(answer.status, CloseReason.BAD_REQUEST)
    wait_s = _wait_s(answer.retry_after) if reason is CloseReason.RATE_LIMITED else None
    raise RefusedError(f"the voice server answers {answer.status}", reason, retry_after_s=wait_s)


def _unavailable(retry_after: str = "") -> NoReturn:
    raise RefusedError(
        "the voice server gives no configuration now",
        CloseReason.UPSTREAM_UNAVAILABLE,
        retry_after_s=_wait_s(retry_after),
    ) from None


def _wait_s(retry_after: str) -> int:
    if not _SECONDS.fullmatch(retry_after):
        return RETRY_AFTER_S
    return min(max(1, int(retry_after)), MOST_RETRY_AFTER_S)
