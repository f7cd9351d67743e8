"""A device asks at its boot where to connect (the OTA endpoint), and waits to be approved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from keepline.errors import PeerError, StartError
from keepline.fleet.endpoint import WEBSOCKET, look_up, read_url
from keepline.wire.audio import VERSIONS
from keepline.wire.client_handshake import Response, ResponseReader
from keepline.wire.limits import Limits

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from keepline.fleet.endpoint import Endpoint, Place
    from keepline.fleet.identity import Identity
    from keepline.fleet.tally import Tally

TRIES: Final = 10  # the firmware's, each of these
FIRST_RETRY_S: Final = 10.0
ACTIVATION_RETRY_S: Final = 3.0
MOST_WAIT_S: Final = 300.0
ANSWER_TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 32  # requests of a whole fleet
_READ_BYTES: Final = 16_384
_OK: Final = 200
_LIMITS: Final = Limits()


class ConfigurationError(Exception):
    """A device does not know where to connect; the message is one word, to be counted."""


class _Websocket(msgspec.Struct):
    url: str
    token: str | None = None
    version: int = 1


class _Activation(msgspec.Struct):
    code: str = ""
    challenge: str = ""


class _Answer(msgspec.Struct):
    websocket: _Websocket | None = None
    activation: _Activation | None = None


class Configurator:
    """Asks `asked` for every device of a fleet, a few at a time."""

    def __init__(
        self,
        asked: Endpoint,
        tls: ssl.SSLContext,
        tally: Tally,
        may_visit: Callable[[Place], bool],
        on_code: Callable[[str, str], None],
    ) -> None:
        """`on_code` is told device id and code of those that somebody has to approve."""
        self.asked = asked
        self._tls = tls
        self._tally = tally
        self._may_visit = may_visit
        self._on_code = on_code
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._known: tuple[str, Endpoint] | None = None  # the URL that was told last

    async def configure(self, identity: Identity) -> tuple[Endpoint, Identity]:
        """Return where this device connects, and as whom. Waits as long as it is to be approved.

        Raises ConfigurationError when it is refused, or told what cannot be.
        """
        code = ""
        try:
            while True:
                answer = await self._ask_until_answered(identity)
                if answer.websocket is not None and answer.activation is None:
                    return await self._configured(identity, answer.websocket)
                if answer.activation is None:
                    raise ConfigurationError("configured_without_websocket")
                if answer.activation.code != code:
                    self._tally.counts.awaiting += not code
                    code = answer.activation.code or "?"
                    self._on_code(identity.device_id, code)
                await self._wait_for_approval(identity)
        finally:
            self._tally.counts.awaiting -= bool(code)

    async def _ask_until_answered(self, identity: Identity) -> _Answer:
        wait_s, why = FIRST_RETRY_S, ""
        for _ in range(TRIES):
            response = await self._post(identity, self.asked.target)
            if response is not None and response.status == _OK:
                try:
                    return msgspec.json.decode(response.body, type=_Answer)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    raise ConfigurationError("configuration_unreadable") from None
            why = "unanswered" if response is None else f"refused_{response.status}"
            if response is not None and _is_final(response):
                break
            await asyncio.sleep(max(wait_s, _retry_after_s(response)))
            wait_s = min(wait_s * 2, MOST_WAIT_S)
        raise ConfigurationError(f"configuration_{why}")

    async def _wait_for_approval(self, identity: Identity) -> None:
        """Ask whether it was approved, as long and as often as the firmware does."""
        path, _, query = self.asked.target.partition("?")
        target = f"{path.rstrip('/')}/activate" + (f"?{query}" if query else "")
        for _ in range(TRIES):
            response = await self._post(identity, target)
            if response is not None and response.status == _OK:
                return
            is_pending = response is not None and response.status == 202  # noqa: PLR2004 (Accepted)
            wait_s = ACTIVATION_RETRY_S if is_pending else FIRST_RETRY_S
            await asyncio.sleep(max(wait_s, _retry_after_s(response)))

    async def _configured(self, identity: Identity, told: _Websocket) -> tuple[Endpoint, Identity]:
        if self._known is None or self._known[0] != told.url:
            self._known = told.url, await self._endpoint_of(told.url)
        endpoint = self._known[1]
        version = told.version if told.version in VERSIONS else identity.audio_version
        return endpoint, replace(
            identity,
            host=endpoint.host,
            target=endpoint.target,
            token=told.token or None,
            audio_version=version,
        )

    async def _endpoint_of(self, url: str) -> Endpoint:
        try:
            place = read_url(url, WEBSOCKET)
            if not self._may_visit(place):
                raise ConfigurationError("told_to_go_elsewhere")
            return await look_up(place, asyncio.get_running_loop(), self._tls)
        except StartError:
            raise ConfigurationError("told_a_url_that_is_none") from None

    async def _post(self, identity: Identity, target: str) -> Response | None:
        """Return the answer to one request; None for none in time, or for one that is no HTTP."""
        endpoint = self.asked
        async with self._turns:
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    reader, writer = await asyncio.open_connection(
                        endpoint.addresses[0],
                        endpoint.port,
                        ssl=endpoint.tls,
                        server_hostname=None if endpoint.tls is None else endpoint.host,
                    )
                    try:
                        writer.write(request(identity, endpoint.host, target))
                        return await _answer(reader)
                    finally:
                        writer.close()
            except (OSError, TimeoutError, PeerError):
                return None


def request(identity: Identity, host: str, target: str) -> bytes:
    """Return what the firmware posts at its boot, in short; the gateway reads no more of it."""
    body = msgspec.json.encode(
        {
            "version": 2,
            "mac_address": identity.device_id,
            "uuid": identity.client_id,
            "application": {"name": "keepline-fleet", "version": "1.0.0"},
            "board": {"type": "simulated", "name": "keepline-fleet"},
        }
    )
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {host}",
        f"Device-Id: {identity.device_id}",
        f"Client-Id: {identity.client_id}",
        "Activation-Version: 1",
        "User-Agent: keepline-fleet/1.0.0",
        "Accept-Language: en-US",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> Response | None:
    parser = ResponseReader(_LIMITS, key="")
    while data := await reader.read(_READ_BYTES):
        response = parser.receive(data)
        if response is not None:
            return response
    return None


def _is_final(response: Response) -> bool:
    """Whether asking again would be answered in the same way; 429 and 503 say that it may not."""
    return 400 <= response.status < 500 and response.status not in {408, 429}  # noqa: PLR2004


def _retry_after_s(response: Response | None) -> float:
    text = "" if response is None else response.headers.get("retry-after", "")
    return min(float(text), MOST_WAIT_S) if text.isascii() and text.isdigit() else 0.0
