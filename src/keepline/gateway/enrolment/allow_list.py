"""The file of devices that an operator keeps: which are known, and by what they are known."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from keepline.errors import StartError
from keepline.gateway.enrolment.applicant import device_key, digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY_BYTES = 32  # of the ESP32's HMAC key block
_HINT = 'an entry is: [[device]], device_id = "…", and if you like client_id, or serial and key'
_FIELDS = frozenset({"device_id", "client_id", "serial", "key"})


class Known(NamedTuple):
    """One device of the file. Without `client_digest` and `key` its client needs approval."""

    device_id: str
    client_digest: str = ""
    serial: str = ""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"Known(device_id={self.device_id!r})"

    def key_of(self, serial: str) -> bytes:
        """Return the key of this serial number; empty when it is not this device's."""
        return self.key if serial and serial == self.serial else b""


def read_allow_list(path: Path | None) -> Mapping[str, Known]:
    """Return the devices of a file by `device_key`; none without a file. Raises StartError."""
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartError(
            f"cannot read the devices from {path}: {error.strerror}",
            "give enrolment.devices a TOML file that this user may read",
        ) from error
    except ValueError as error:
        raise StartError(f"{path} is not TOML: {error}", _HINT) from error
    entries = document.get("device", [])
    if not set(document) <= {"device"} or not isinstance(entries, list):
        raise StartError(f"{path} has something else than [[device]]", _HINT)
    known: dict[str, Known] = {}
    for number, fields in enumerate(entries, start=1):
        entry = _entry(fields, f"{path}, device {number}")
        if entry.device_id in known:
            raise StartError(f"{path} has {entry.device_id} twice", "keep one of them")
        known[entry.device_id] = entry
    return known


def _entry(fields: Any, place: str) -> Known:
    if not isinstance(fields, dict) or not set(fields) <= _FIELDS:
        raise StartError(f"{place}: a field is not one of {', '.join(sorted(_FIELDS))}", _HINT)
    if not all(isinstance(value, str) and value for value in fields.values()):
        raise StartError(f"{place}: every field is a text", _HINT)
    if "device_id" not in fields:
        raise StartError(f"{place}: device_id is missing", _HINT)
    if ("serial" in fields) != ("key" in fields):
        raise StartError(f"{place}: serial and key come together", _HINT)
    key = fields.get("key", "")
    if key and not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", key):
        raise StartError(f"{place}: key is not {KEY_BYTES} bytes in hexadecimal", _HINT)
    client_id = fields.get("client_id", "")
    return Known(
        device_key(fields["device_id"]),
        digest(client_id) if client_id else "",
        fields.get("serial", ""),
        bytes.fromhex(key),
    )
