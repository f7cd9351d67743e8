"""A voice server's configuration answer, made into ours: the same, but devices come to us."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from keepline.gateway.auth.answering import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable

# An answer has about ten arrays and objects; parsed, each costs many times its two bytes.
MOST_CONTAINERS: Final = 500

_TOKEN: Final = re.compile(r"[\x21-\x7e]{0,2048}")  # what fits into the device's flash
_UNREADABLE: Final = (ValueError, RecursionError)
_DECODER: Final = msgspec.json.Decoder()


class Rewritten(msgspec.Struct, frozen=True):
    """What a device is told; `connects` is whether it is told where to connect."""

    body: bytes
    connects: bool


def rewrite(
    body: bytes, url: str, make_token: Callable[[], str] | None, *, keeps_mqtt: bool
) -> Rewritten:
    """Return the answer with `url` in the place of the voice server's own.

    `make_token` makes the token that we let in; without it the voice server's stays, for who has
    it judged there. A device that is still to be activated is given none of ours: nobody has
    vouched for it. What else is said is passed on. Raises UnusableError.
    """
    answer = _read(body)
    websocket = answer.pop("websocket", None)
    if not keeps_mqtt:
        answer.pop("mqtt", None)  # the firmware would prefer it to us
    if make_token is not None and "activation" in answer:
        websocket = None
    if isinstance(websocket, dict):
        # Whatever is in it goes into the device's flash: only what is meant to be there.
        ours: dict[str, object] = {"url": url}
        ours["token"] = _kept_token(websocket) if make_token is None else make_token()
        if type(websocket.get("version")) is int:
            ours["version"] = websocket["version"]
        answer["websocket"] = ours
    return Rewritten(msgspec.json.encode(answer), connects="websocket" in answer)


def _read(body: bytes) -> dict[str, Any]:
    if body.count(b"[") + body.count(b"{") > MOST_CONTAINERS:
        raise UnusableError("an answer of too many arrays and objects")
    try:
        answer = _DECODER.decode(body)
    except _UNREADABLE:
        raise UnusableError("an answer that is no JSON") from None
    if not isinstance(answer, dict):
        raise UnusableError("an answer that is no JSON object")
    return answer


def _kept_token(websocket: dict[str, Any]) -> str:
    token = websocket.get("token", "")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise UnusableError("a token that no header can carry")
    return token
