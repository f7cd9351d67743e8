"""The file of devices that an operator keeps: which are known, and by what they are known."""

from __future__ import annotations

import asyncio
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from keepline.errors import StartError
from keepline.gateway.enrolment.applicant import device_key, digest

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from keepline.log import Log

LOOK_EACH_S = 1.0
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


class AllowList:
    """The devices of a file, which is looked at once a second at most and only when asked.

    A file that became unreadable or wrong is reported once and changes nothing.
    """

    def __init__(self, path: Path | None, log: Log, executor: Executor | None) -> None:
        """Read it; nobody is known without one. Raises StartError."""
        self._path = path
        self._log = log
        self._executor = executor
        self._looked_at = float("-inf")
        self._stamp = _stamp(path)
        self._known = {} if path is None else read_allow_list(path)

    def find(self, device_id: str) -> Known | None:
        """Return what the file says of a device."""
        return self._known.get(device_key(device_id))

    async def renew(self, now: float) -> None:
        """Read the file again if it has changed: in a thread, since it may be long."""
        if self._path is None or now - self._looked_at < LOOK_EACH_S:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        loop = asyncio.get_running_loop()
        try:
            self._known = await loop.run_in_executor(self._executor, read_allow_list, self._path)
        except StartError as error:
            self._log.error("devices_not_read_again", detail=error.problem)
        else:
            self._log.info("devices_read_again", devices=len(self._known))
        self._stamp = stamp  # not before: who waits for it here may leave meanwhile


def read_allow_list(path: Path) -> dict[str, Known]:
    """Return the devices of a file by `device_key`. Raises StartError."""
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


def _stamp(path: Path | None) -> tuple[int, int, int]:
    try:
        status = None if path is None else path.stat()
    except OSError:
        status = None
    return (0, 0, 0) if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)
