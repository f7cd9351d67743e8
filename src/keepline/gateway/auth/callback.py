"""Asks a server of the operator's, over HTTP, who may come in: mode `callback`.

POST sends a JSON object of `device_id`, `client_id`, `token` and `address`. GET sends the device's
own headers and `X-Forwarded-For`, as a proxy's authentication request does. 2xx lets the device
in, 401 and 403 do not; anything else, and no answer, is 503: whoever cannot be asked about is not
let in.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from math import ceil
from typing import TYPE_CHECKING, Final, NoReturn

import httpx
import msgspec

from keepline.errors import RefusedError, StartError
from keepline.gateway.auth.answering import UnusableError, read_bounded
from keepline.gateway.auth.answers import Answer, Answers, Question
from keepline.gateway.auth.circuit import Circuit, dislikes_the_question
from keepline.gateway.auth.credentials import TOKEN_CHARACTERS, presented_token
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.clock import Clock
    from keepline.gateway.auth.credentials import Ids
    from keepline.log import Log
    from keepline.monitor.metrics import Counters
    from keepline.settings.auth import Auth
    from keepline.wire.handshake import Request

ANSWER_BYTES: Final = 4_096
WAITING_PER_REQUEST: Final = 8
RETRY_AFTER_S: Final = 10  # what stock firmware waits between its tries anyway

_SUCCESS: Final = range(200, 300)
_REFUSALS: Final = frozenset({401, 403})
_TOKEN: Final = re.compile(rf"[\x21-\x7e]{{0,{TOKEN_CHARACTERS}}}")


class _Body(msgspec.Struct):
    expires_at: float | None = None


class Callback:
    """Judges devices by asking; `aclose` when nobody is to be judged any more."""

    def __init__(
        self, settings: Auth, ids: Ids, *, clock: Clock, log: Log | None, counters: Counters | None
    ) -> None:
        """Make ready; nothing is asked yet. Raises StartError for a URL that cannot be asked."""
        self._url = checked_url(settings.callback_url, settings.callback_method)
        self._method = settings.callback_method
        self._timeout_s = settings.callback_timeout_s
        self._ids = ids
        self._clock = clock
        self._log = log
        self._counters = counters
        self._answers = Answers(
            keep_s=settings.callback_cache_s, keep_refusal_s=settings.callback_refusal_cache_s
        )
        self._circuit = Circuit(
            failures=settings.callback_failures, pause_s=settings.callback_pause_s
        )
        self._slots = asyncio.Semaphore(settings.callback_requests)
        self._most = settings.callback_requests * (1 + WAITING_PER_REQUEST)
        self._under_way = 0
        # `trust_env` would send tokens through whatever proxy the environment names.
        self._client = httpx.AsyncClient(
            timeout=settings.callback_timeout_s,
            limits=httpx.Limits(
                max_connections=settings.callback_requests,
                max_keepalive_connections=settings.callback_requests,
            ),
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    async def judge(self, request: Request) -> Identity:
        """Return who it is. Raises RefusedError 401, 403 for bad ids, 503 without an answer."""
        device_id, client_id, *_ = self._ids.read(request)
        token = presented_token(request)
        if not _TOKEN.fullmatch(token):
            raise RefusedError("token malformed", CloseReason.UNAUTHORIZED)
        question = Question(device_id, client_id, token, request.address)
        answer = self._answers.find(question, self._clock.now())
        if answer is None:
            answer = await self._ask(question)
            now_wall = self._clock.wall()
            if answer.expires_at is not None and answer.expires_at <= now_wall:
                answer = Answer(admitted=False)
            self._answers.keep(question, answer, self._clock.now(), now_wall)
        if not answer.admitted:
            raise RefusedError("refused by the callback", CloseReason.UNAUTHORIZED)
        return Identity(device_id, client_id, answer.expires_at)

    def forget(self, device_id: str) -> None:
        """Ask again when this device comes."""
        self._answers.forget(device_id)

    async def aclose(self) -> None:
        """Close the connections to the callback."""
        await self._client.aclose()

    # -- asking ----------------------------------------------------------------------------

    async def _ask(self, question: Question) -> Answer:
        """Ask in turn. Waits for the turn and for the answer at most `callback_timeout_s` each."""
        self._check_circuit()
        if self._under_way >= self._most:
            _unavailable("too many are asked about", RETRY_AFTER_S)
        self._under_way += 1
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._slots.acquire()
            except TimeoutError:  # which says nothing about the callback
                _unavailable("too many are asked about", RETRY_AFTER_S)
            try:
                return await self._ask_now(question)
            finally:
                self._slots.release()
        finally:
            self._under_way -= 1

    async def _ask_now(self, question: Question) -> Answer:
        if not self._circuit.begin(self._clock.now()):
            self._check_circuit()
            _unavailable("the callback is being tried", RETRY_AFTER_S)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(question)
        except (UnusableError, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            self._on_failure(error)
            _unavailable("the callback gave no answer", RETRY_AFTER_S)
        except BaseException:  # above all, the device has left
            self._circuit.abandoned()
            raise
        if self._circuit.succeeded() and self._log is not None:
            self._log.info("auth_callback_answers_again")
        return answer

    def _check_circuit(self) -> None:
        wait_s = self._circuit.wait_s(self._clock.now())
        if wait_s:
            _unavailable("the callback is left alone after failures", wait_s)

    async def _exchange(self, question: Question) -> Answer:
        if self._counters is not None:
            self._counters.auth_callbacks += 1
        async with self._client.stream(
            self._method, self._url, headers=self._headers(question), content=self._body(question)
        ) as response:
            body = await read_bounded(response, ANSWER_BYTES)
            if response.status_code in _REFUSALS:
                return Answer(admitted=False)
            if response.status_code not in _SUCCESS:
                status = response.status_code
                raise UnusableError(f"status {status}", is_well=dislikes_the_question(status))
            if not response.headers.get("content-type", "").startswith("application/json"):
                return Answer(admitted=True)
        try:
            return Answer(
                admitted=True, expires_at=msgspec.json.decode(body, type=_Body).expires_at
            )
        except (ValueError, RecursionError, msgspec.DecodeError):
            raise UnusableError("no JSON object with a number expires_at") from None

    def _headers(self, question: Question) -> dict[str, str]:
        if self._method == "POST":
            return {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        return {
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {question.token}",
            "Device-Id": question.device_id,
            "Client-Id": question.client_id,
            "X-Forwarded-For": question.address,
        }

    def _body(self, question: Question) -> bytes | None:
        return msgspec.json.encode(question._asdict()) if self._method == "POST" else None

    def _on_failure(self, error: Exception) -> None:
        if isinstance(error, UnusableError) and error.is_well:
            self._circuit.succeeded()
            paused = False
        else:
            paused = self._circuit.failed(self._clock.now())
        if self._counters is not None:
            self._counters.auth_callback_failures += 1
        if self._log is not None:
            detail = f"{type(error).__name__}: {error}"  # no field of it is a token or the URL
            self._log.warning("auth_callback_failed", detail=detail, paused=paused)


def checked_url(url: str, method: str) -> httpx.URL:
    """Return the callback's URL. Raises StartError when it cannot be asked."""
    hint = "set auth.callback_url to http://… or https://…"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise StartError("auth.callback_url is no URL", hint) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise StartError("auth.callback_url is no http or https URL", hint)
    if parsed.userinfo and method == "GET":
        raise StartError(
            "auth.callback_url has a user, but with GET the device's own token is sent",
            "set auth.callback_method to POST",
        )
    return parsed


def _unavailable(detail: str, wait_s: float) -> NoReturn:
    raise RefusedError(
        detail, CloseReason.AUTH_UNAVAILABLE, retry_after_s=max(1, ceil(wait_s))
    ) from None
