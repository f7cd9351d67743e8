"""What a device is answered: where to connect and with which token, or a code to be approved by."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from keepline.errors import RefusedError
from keepline.gateway.paths import DEVICE_PATH
from keepline.reasons import CloseReason
from keepline.wire.handshake import json_response

if TYPE_CHECKING:
    from keepline.gateway.enrolment.applicant import Applicant
    from keepline.gateway.enrolment.waiting import Pending

_NAME: Final = r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*\.?"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_NAME_ONLY: Final = re.compile(_NAME)
_MOST_PORT: Final = 65_535


class Host(NamedTuple):
    """A Host header: `name` as it stands in a URL (IPv6 in brackets), `port` None if not given."""

    name: str
    port: int | None


class Moment(NamedTuple):
    """What a device sets its clock to: Unix time, and what its local time is ahead of UTC."""

    wall: float
    offset_minutes: int


def read_host(header: str) -> Host:
    """Return what a Host header names. Raises RefusedError 400 for what cannot be one."""
    found = _HOST.fullmatch(header)
    if found is None:
        raise _no_host()
    name, digits = found[1], found[2]
    port = int(digits) if digits else None
    if port is not None and not 0 < port <= _MOST_PORT:
        raise _no_host()
    if name.startswith("["):
        try:
            IPv6Address(name[1:-1])
        except AddressValueError:
            raise _no_host() from None
    elif not _NAME_ONLY.fullmatch(name):
        raise _no_host()
    return Host(name.lower(), port)


def websocket_url(public_url: str | None, host: Host, *, port: int, secure: bool) -> str:
    """Return where to connect: the public URL, or our path at the host that was asked.

    `port` is the one we listen on: the firmware leaves the port out of its Host.
    """
    if public_url is not None:
        bare = urlsplit(public_url).path in {"", "/"}
        return f"{public_url.rstrip('/')}{DEVICE_PATH}/" if bare else public_url
    return f"{'wss' if secure else 'ws'}://{host.name}:{host.port or port}{DEVICE_PATH}/"


def configured(
    applicant: Applicant, url: str, token: str, moment: Moment, *, audio_version: int
) -> bytes:
    """Return the answer to a device that may connect; it keeps `websocket` in its flash."""
    websocket = {"url": url, "token": token, "version": audio_version}
    return _answer(200, _always(applicant, moment) | {"websocket": websocket})


def to_be_activated(pending: Pending, notice: str, moment: Moment, now: float) -> bytes:
    """Return the answer to a device that has to be approved: no URL, no token.

    It shows `message`, reads `code` out, then posts to `…/activate` until that says 200.
    """
    activation = {
        "message": f"{notice}\n{pending.code}",
        "code": pending.code,
        "challenge": pending.challenge,
        "timeout_ms": int((pending.expires_at - now) * 1_000),
    }
    return _answer(200, _always(pending.applicant, moment) | {"activation": activation})


def activated() -> bytes:
    """Return the answer after which a device asks for its configuration once more."""
    return _answer(200, {"message": "activated"})


def not_yet() -> bytes:
    """Return the answer after which a device waits 3 s before it asks again."""
    return _answer(202, {"message": "not approved yet"})


def _always(applicant: Applicant, moment: Moment) -> dict[str, Any]:
    return {
        "server_time": {
            "timestamp": int(moment.wall * 1_000),
            "timezone_offset": moment.offset_minutes,
        },
        # Its own version is not newer than itself, so it starts no update.
        "firmware": {"version": applicant.version, "url": ""},
    }


def _answer(status: int, body: dict[str, Any]) -> bytes:
    return json_response(status, msgspec.json.encode(body))


def _no_host() -> RefusedError:
    return RefusedError("header host names no host", CloseReason.BAD_REQUEST)
