"""Why devices left, as it is told; and why others were not let in, the last of each kept."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec import Struct, json, msgpack

from keepline.gateway.auth.credentials import shown_device_id
from keepline.lifecycle.history import steps
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.errors import PeerError
    from keepline.gateway.connection import Connection
    from keepline.settings.history import History
    from keepline.wire.handshake import Request

EACH: Final = 8
"""How many refusals of one device or of one address are kept."""

REASONS: Final = {reason.cause: reason for reason in CloseReason}
_DETAIL_CHARACTERS: Final = 200
_json: Final = json.Encoder().encode
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


class Ending(Struct, frozen=True, gc=False):
    """How one connection ended, once it was upgraded.

    `at` is wall time; `state` is where it was when its end began. `last_frame_s` is the time since
    the device's last data message, `last_byte_s` since its last sign of life, both at the end.
    `claim` and `session_id` are 0 and empty before a hello; `newer_claim` is that of the
    connection that holds the device now, None for none. `history` is of the lifecycle, packed.
    """

    at: float
    cause: str
    state: str
    age_s: float
    last_frame_s: float
    last_byte_s: float
    average_rtt_s: float | None
    pings: int
    ping_failures: int
    claim: int
    newer_claim: int | None
    session_id: str
    address: str
    detail: str
    history: bytes = b""

    @property
    def reason(self) -> CloseReason:
        """The cause with all that belongs to it."""
        return REASONS[self.cause]

    def event(self, told: dict[str, object] | None = None) -> bytes:
        """Return what is kept of it as an event: what is `told`, and the transitions before it."""
        return _json((told or self.told()) | {"steps": steps(self.history)})

    def told(self) -> dict[str, object]:
        """Return what a log line tells of it; a part that not every ending has may be missing."""
        reason = self.reason
        told: dict[str, object] = {
            "session_id": self.session_id,
            "claim": self.claim,
            "initiator": reason.initiator.value,
            "cause": self.cause,
            "state": self.state,
            "age_s": self.age_s,
            "last_frame_s": self.last_frame_s,
            "last_byte_s": self.last_byte_s,
            "average_rtt_s": self.average_rtt_s,
            "pings": self.pings,
            "ping_failures": self.ping_failures,
            "address": self.address,
        }
        if reason.code is not None:
            told["code"] = reason.code
        if self.newer_claim is not None:
            told["newer_claim"] = self.newer_claim
        if self.detail:
            told["detail"] = self.detail
        return told


class Refusal(Struct, frozen=True, array_like=True, gc=False):
    """How one request was refused, or dropped, before its upgrade; `at` is wall time.

    Nobody has judged who sent it: `device_id` is what stood in the request, empty for no id.
    """

    at: float
    cause: str
    device_id: str
    address: str
    detail: str

    @property
    def reason(self) -> CloseReason:
        """The cause with all that belongs to it."""
        return REASONS[self.cause]

    def told(self) -> dict[str, object]:
        """Return what a log line tells of it; what there is nothing to say about is left out."""
        fields = {
            "device_id": self.device_id,
            "cause": self.cause,
            "status": self.reason.status,
            "detail": self.detail,
            "address": self.address,
        }
        return {name: value for name, value in fields.items() if value}


class Recent:
    """The last few records of each key, `most` in all; the key that came longest ago goes first.

    Records are bytes: nothing for the collector to walk through, and a quarter of the objects.
    """

    __slots__ = ("_by_key", "_each", "_held", "_most")

    def __init__(self, most: int, each: int = EACH) -> None:
        self._by_key: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()
        self._each = min(each, most)
        self._held = 0
        self._most = most

    def __len__(self) -> int:
        return self._held

    def add(self, key: str, record: bytes) -> None:
        """Keep one more; what is beyond the limits is forgotten."""
        former = self._by_key.pop(key, ())
        kept = (*former, record)[-self._each :]
        self._by_key[key] = kept
        self._held += len(kept) - len(former)
        while self._held > self._most:
            _, forgotten = self._by_key.popitem(last=False)
            self._held -= len(forgotten)

    def of(self, key: str) -> tuple[bytes, ...]:
        """Return the records of `key`, the oldest first."""
        return self._by_key.get(key, ())


class Refusals:
    """The memory of one node, by device and by address; a flood of them costs no disk anything.

    Who was let in and left before its hello is among them: anybody may be, where all are let in.
    """

    __slots__ = ("_by_address", "_by_device", "_encode")

    def __init__(self, settings: History) -> None:
        """Keep as many by each of the two keys as the settings say."""
        self._by_device = Recent(settings.refusals)
        self._by_address = Recent(settings.refusals)
        self._encode = msgpack.Encoder().encode

    def note(self, refusal: Refusal) -> None:
        """Keep how a request was refused, by what it said it was and by where it came from."""
        record = self._encode(refusal)
        if refusal.device_id:
            self._by_device.add(refusal.device_id, record)
        if refusal.address:
            self._by_address.add(refusal.address, record)

    def of_device(self, device_id: str) -> list[Refusal]:
        """Return the refusals of requests that named this device, the latest first."""
        return [_refusal(record) for record in reversed(self._by_device.of(device_id))]

    def of_address(self, address: str) -> list[Refusal]:
        """Return the refusals of requests from this address, the latest first."""
        return [_refusal(record) for record in reversed(self._by_address.of(address))]


_refusal = msgpack.Decoder(Refusal).decode


def ending_of(connection: Connection, reason: CloseReason) -> Ending:
    """Describe the end of a connection, as it is seen now; call it before the two part."""
    node, heartbeat, receiver = connection.node, connection.heartbeat, connection.receiver
    now = node.ticker.now
    newer = node.registry.by_device(receiver.device_id)
    state = connection.lifecycle.ended_in or connection.lifecycle.state
    return Ending(
        at=node.clock.wall(),
        cause=reason.cause,
        state=state.value,
        # Before the hello nothing was heard but it: the connection is as old as its last frame.
        age_s=round(now - getattr(receiver, "opened_at", connection.last_activity), 1),
        last_frame_s=round(now - connection.last_activity, 1),
        last_byte_s=round(now - heartbeat.last_rx, 1),
        average_rtt_s=heartbeat.average_rtt_s,
        pings=heartbeat.pings,
        ping_failures=heartbeat.failures,
        claim=receiver.claim,
        newer_claim=None if newer is None or newer is receiver else newer.claim,
        session_id=receiver.session_id,
        address=connection.address,
        detail=connection.lifecycle.detail[:_DETAIL_CHARACTERS],
        history=connection.lifecycle.history,
    )


def refusal_of(error: PeerError, request: Request | None, address: str, at: float) -> Refusal:
    """Describe a refusal; `at` is wall time, `address` counts where there is no request."""
    shown = "" if request is None else shown_device_id(request)
    return Refusal(
        at=at,
        cause=error.reason.cause,
        device_id=shown if _ID.fullmatch(shown) else "",
        address=address if request is None else request.address,
        detail=error.detail[:_DETAIL_CHARACTERS],
    )
