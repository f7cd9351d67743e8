"""Asks a server of the operator's who may have a token: policy `callback`.

It is sent a JSON object of `device_id`, `client_id`, `serial`, `board`, `version` and `address`.
2xx gives the device a token, that in the answer's `token` if there is one; 401, 403 and 404 give it
none. Anything else, and no answer, is 503: the device asks again.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from math import ceil
from typing import TYPE_CHECKING, Final, NoReturn

import httpx
import msgspec

from keepline.errors import RefusedError
from keepline.gateway.auth.answering import UnusableError, read_bounded
from keepline.gateway.auth.circuit import Circuit, dislikes_the_question
from keepline.gateway.enrolment.policies import Verdict
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.clock import Clock
    from keepline.gateway.enrolment.applicant import Applicant
    from keepline.gateway.enrolment.ledger import Ledger
    from keepline.log import Log
    from keepline.settings.enrolment import Enrolment
    from keepline.wire.handshake import Request

MOST_UNDER_WAY: Final = 32
ANSWER_BYTES: Final = 8_192
FAILURES: Final = 5
PAUSE_S: Final = 10.0
RETRY_AFTER_S: Final = 10  # what stock firmware waits between its tries anyway

_SUCCESS: Final = range(200, 300)
_REFUSALS: Final = frozenset({401, 403, 404})
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,2048}")  # what fits into the device's flash


class _Body(msgspec.Struct):
    token: str | None = None


class Callback:
    """The policy of a server that knows the devices; a revoked one is not even asked about."""

    activates = False

    def __init__(
        self,
        settings: Enrolment,
        ledger: Ledger,
        clock: Clock,
        log: Log,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Make ready; nothing is asked yet. `transport` is for tests."""
        assert settings.callback_url is not None
        token = settings.callback_token
        self._url = settings.callback_url
        self._timeout_s = settings.callback_timeout_s
        self._ledger = ledger
        self._clock = clock
        self._log = log
        self._circuit = Circuit(failures=FAILURES, pause_s=PAUSE_S)
        self._under_way = 0
        # `trust_env` would send what it is told through whatever proxy the environment names.
        self._client = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json"}
            | ({} if token is None else {"Authorization": f"Bearer {token}"}),
            timeout=settings.callback_timeout_s,
            limits=httpx.Limits(max_connections=MOST_UNDER_WAY),
            trust_env=False,
            verify=ssl.create_default_context(),
            transport=transport,
        )

    async def judge(self, applicant: Applicant, request: Request) -> Verdict:  # noqa: ARG002
        """Return what it said. Raises RefusedError 403, and 503 without an answer."""
        if self._ledger.is_revoked(applicant.device_id, None):
            raise _refused()
        now = self._clock.now()
        if self._under_way >= MOST_UNDER_WAY:
            _unavailable("too many are asked about", RETRY_AFTER_S)
        if not self._circuit.begin(now):
            _unavailable("the callback pauses", self._circuit.wait_s(now))
        self._under_way += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                verdict = await self._ask(applicant)
        except (UnusableError, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            paused = self._note_failure(error)
            detail = f"{type(error).__name__}: {error}"  # no field of it is a token or the URL
            self._log.warning("enrolment_callback_failed", detail=detail, paused=paused)
            _unavailable("the callback gave no answer", RETRY_AFTER_S)
        except BaseException:  # above all, the device has left
            self._circuit.abandoned()
            raise
        finally:
            self._under_way -= 1
        self._circuit.succeeded()
        if verdict is None:
            raise _refused()
        return verdict

    def _note_failure(self, error: Exception) -> bool:
        """Return whether it is left alone from now on."""
        if isinstance(error, UnusableError) and error.is_well:
            self._circuit.succeeded()
            return False
        return self._circuit.failed(self._clock.now())

    async def aclose(self) -> None:
        """Close the connections to the callback."""
        await self._client.aclose()

    async def _ask(self, applicant: Applicant) -> Verdict | None:
        content = msgspec.json.encode(applicant)
        async with self._client.stream("POST", self._url, content=content) as response:
            body = await read_bounded(response, ANSWER_BYTES)
            if response.status_code in _REFUSALS:
                return None
            if response.status_code not in _SUCCESS:
                status = response.status_code
                raise UnusableError(f"status {status}", is_well=dislikes_the_question(status))
            if not response.headers.get("content-type", "").startswith("application/json"):
                return Verdict()
        try:
            token = msgspec.json.decode(body, type=_Body).token
        except (ValueError, RecursionError):
            raise UnusableError("no JSON object with a text token") from None
        if token is not None and not _TOKEN.fullmatch(token):
            raise UnusableError("a token that no header can carry")
        return Verdict(token=token)


def _refused() -> RefusedError:
    return RefusedError("this device is not enrolled here", CloseReason.FORBIDDEN)


def _unavailable(detail: str, wait_s: float) -> NoReturn:
    raise RefusedError(
        detail, CloseReason.AUTH_UNAVAILABLE, retry_after_s=max(1, ceil(wait_s))
    ) from None
