"""What a device says about itself when it asks for its configuration; nothing of it is proven."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import RFC_4122, UUID

import msgspec

from keepline.errors import RefusedError
from keepline.log import clean
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.identity import Identity
    from keepline.wire.handshake import Request

# A firmware's own body has about 20 arrays and objects, three deep.
MOST_CONTAINERS: Final = 200
MOST_TEXT: Final = 64  # characters of what is shown to an operator
RANDOM_UUID = 4

_SERIAL = re.compile(r"[\x21-\x7e]{1,64}")
# What the firmware reads with `stoi`: anything else would end it.
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,7}")
_UNREADABLE = (ValueError, RecursionError)
_DECODER: Final = msgspec.json.Decoder()


class Applicant(msgspec.Struct, frozen=True):
    """Who asks. `client_id` is a secret: whoever has it is the device, so it is never shown.

    `serial`, `board` and `version` are empty when unknown; `board` is clean and capped.
    """

    device_id: str
    client_id: str
    serial: str = ""
    board: str = ""
    version: str = ""
    address: str = ""

    @property
    def client_digest(self) -> str:
        """What is kept of the secret."""
        return digest(self.client_id)

    @property
    def client_guessable(self) -> bool:
        """Whether the client id is not a random UUID; some clients derive it from their MAC."""
        return not is_random_uuid(self.client_id)

    def __repr__(self) -> str:
        return f"Applicant(device_id={self.device_id!r}, board={self.board!r})"


class Proof(msgspec.Struct, frozen=True):
    """What a device with a serial number sends to prove its key: HMAC-SHA256 over the challenge."""

    serial: str
    hmac: str

    def holds(self, challenge: str, key: bytes) -> bool:
        """Whether this proves `key`, for this `challenge` and no other."""
        expected = hmac.digest(key, challenge.encode(), "sha256").hex()
        return hmac.compare_digest(self.hmac.lower().encode(), expected.encode())


def device_key(device_id: str) -> str:
    """Return what spellings of one device id have in common: a MAC may come in capitals."""
    return device_id.lower()


def digest(client_id: str) -> str:
    """Return what is kept of a client id. 122 random bits need no salt and no slow hash."""
    return sha256(client_id.lower().encode()).hexdigest()


def is_random_uuid(client_id: str) -> bool:
    """Whether this is a UUID of version 4, as the firmware draws it."""
    try:
        uuid = UUID(client_id)
    except ValueError:
        return False
    return uuid.version == RANDOM_UUID and uuid.variant == RFC_4122


def read_applicant(request: Request, identity: Identity) -> Applicant:
    """Return who asks. Raises RefusedError 400 for a body or a serial number that is none.

    What the body says is taken where it has the expected type, and is not missed elsewhere.
    """
    body = read_body(request.body)
    serial = request.headers.get("serial-number", "")
    if serial and not _SERIAL.fullmatch(serial):
        raise RefusedError("Serial-Number is not a serial number", CloseReason.BAD_REQUEST)
    agent = request.headers.get("user-agent", "")
    board = _text(body, "board", "name") or _text(body, "board", "type") or agent
    version = _text(body, "application", "version")
    return Applicant(
        device_id=identity.device_id,
        client_id=identity.client_id,
        serial=serial,
        board=clean(board)[:MOST_TEXT],
        version=version if _VERSION.fullmatch(version) else "",
        address=request.address,
    )


def read_proof(body: dict[str, Any]) -> Proof | None:
    """Return what proves a key, None when the body proves nothing.

    The challenge that the device sends along is not read: ours is the one that counts.
    """
    algorithm = body.get("algorithm", "hmac-sha256")
    serial, code = body.get("serial_number"), body.get("hmac")
    if algorithm != "hmac-sha256" or not (isinstance(serial, str) and isinstance(code, str)):
        return None
    return Proof(serial, code) if serial and code and code.isascii() else None


def read_body(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a request, an empty one for no body. Raises RefusedError 400."""
    if not data:
        return {}
    # Parsed, each costs many times its two bytes. It bounds the nesting, too; brackets inside texts
    # count, but a body that has hundreds of them is no device's.
    if data.count(b"[") + data.count(b"{") > MOST_CONTAINERS:
        raise RefusedError("the body has too many arrays and objects", CloseReason.BAD_REQUEST)
    try:
        body = _DECODER.decode(data)
    except _UNREADABLE:
        raise RefusedError("the body is not JSON", CloseReason.BAD_REQUEST) from None
    if not isinstance(body, dict):
        raise RefusedError("the body is not a JSON object", CloseReason.BAD_REQUEST)
    return body


def _text(body: dict[str, Any], section: str, name: str) -> str:
    inner = body.get(section)
    value = inner.get(name) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else ""
