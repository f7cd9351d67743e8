"""The keys that sign and verify tokens: from the settings, or from a file that may change."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from keepline.log import Log

KEY_BYTES: Final = 16
"""The least a secret must have: 128 bits, if it is random."""

MOST_KEYS: Final = 16
LOOK_EACH_S: Final = 1.0
ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_FIELDS: Final = {"id", "secret", "pem", "algorithm"}
_HINT: Final = (
    "each key needs an id of letters, digits, - and _, and a secret of 16 bytes or more;"
    " `keepline token` prints one"
)

KeyT = TypeVar("KeyT")


class Key:
    """One key as it was configured. Its material is not shown."""

    __slots__ = ("algorithm", "id", "material")

    def __init__(self, id: str, material: bytes, algorithm: str = "HS256") -> None:  # noqa: A002
        self.id = id
        self.material = material
        self.algorithm = algorithm

    def __repr__(self) -> str:
        return f"Key({self.id!r}, {self.algorithm})"


class FixedKeys(Generic[KeyT]):
    """Keys that stay as they are; the first signs, all verify."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[KeyT]) -> None:
        self._keys = tuple(keys)

    def at(self, now_wall: float) -> tuple[KeyT, ...]:  # noqa: ARG002
        """Return the keys."""
        return self._keys


class KeyFile(Generic[KeyT]):
    """Keys in a file, which is looked at once a second at most, and only when somebody asks.

    A file that became unreadable or wrong is reported once and changes nothing.
    """

    __slots__ = ("_keys", "_log", "_looked_at", "_path", "_prepare", "_stamp")

    def __init__(self, path: Path, prepare: Callable[[Key], KeyT], log: Log | None = None) -> None:
        """Read it. Raises StartError when that is not possible."""
        self._path = path
        self._prepare = prepare
        self._log = log
        self._looked_at = float("-inf")
        self._stamp = _stamp(path)
        self._keys = self._read()

    def at(self, now_wall: float) -> tuple[KeyT, ...]:
        """Return the keys that are in the file at this moment."""
        if abs(now_wall - self._looked_at) >= LOOK_EACH_S:  # the wall clock may step back
            self._looked_at = now_wall
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._renew()
        return self._keys

    def _renew(self) -> None:
        try:
            self._keys = self._read()
        except StartError as error:
            if self._log is not None:
                self._log.error("keys_not_read_again", detail=error.problem)
            return
        if self._log is not None:
            self._log.info("keys_read_again", keys=len(self._keys))

    def _read(self) -> tuple[KeyT, ...]:
        return tuple(self._prepare(key) for key in read_key_file(self._path))


Keys = FixedKeys[KeyT] | KeyFile[KeyT]


def parse_keys(texts: Iterable[str]) -> tuple[Key, ...]:
    """Return the keys of `auth.keys`, `id:secret` each. Raises StartError."""
    keys = []
    for number, text in enumerate(texts, start=1):
        name, colon, secret = text.partition(":")
        if not colon:
            raise StartError(f"auth.keys: key {number} is not id:secret", _HINT)
        keys.append(_secret_key(f"auth.keys: key {number}", name, secret))
    return _checked("auth.keys", keys)


def read_key_file(path: Path) -> tuple[Key, ...]:
    """Return the keys of a TOML file with a table `[[key]]` for each. Raises StartError."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartError(
            f"cannot read the key file {path}: {error.strerror}",
            "give auth.key_file a file that this user may read",
        ) from None
    except ValueError:  # no TOML, or not even UTF-8; its text may be a secret
        raise StartError(
            f"the key file {path} is not TOML", 'it has a table [[key]] for each key: id = "…"'
        ) from None
    tables = document.get("key", [])
    if document.keys() - {"key"} or not isinstance(tables, list):
        raise StartError(f"the key file {path} has more than [[key]] tables", _HINT)
    keys = [_key(f"{path}: key {number}", table) for number, table in enumerate(tables, start=1)]
    return _checked(str(path), keys)


def _key(place: str, table: Any) -> Key:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise StartError(f"{place} is no table of texts", _HINT)
    unknown = sorted(table.keys() - _FIELDS)
    if unknown or len({"secret", "pem"} & table.keys()) != 1:
        raise StartError(
            f"{place} needs an id and a secret, or an id, an algorithm and a pem", _HINT
        )
    algorithm = table.get("algorithm", "HS256")
    if algorithm not in ALGORITHMS or (algorithm == "HS256") is ("pem" in table):
        raise StartError(
            f"{place}: its algorithm does not fit",
            "a secret is for HS256; a pem for RS256, ES256 or EdDSA",
        )
    if "pem" in table:
        return _named(place, Key(table.get("id", ""), table["pem"].encode(), algorithm))
    return _secret_key(place, table.get("id", ""), table["secret"])


def _secret_key(place: str, name: str, secret: str) -> Key:
    material = secret.encode("utf-8", "surrogateescape")  # as the environment brings it
    if len(material) < KEY_BYTES:
        raise StartError(f"{place} is too short: {len(material)} bytes", _HINT)
    return _named(place, Key(name, material))


def _named(place: str, key: Key) -> Key:
    if not _ID.fullmatch(key.id):
        raise StartError(f"{place} has no proper id", _HINT)
    return key


def _checked(place: str, keys: list[Key]) -> tuple[Key, ...]:
    if not keys:
        raise StartError(f"{place} holds no key", _HINT)
    if len(keys) > MOST_KEYS:
        raise StartError(f"{place} holds {len(keys)} keys", f"keep {MOST_KEYS} at most")
    if len({key.id for key in keys}) < len(keys):
        raise StartError(f"{place} has two keys of one id", "give each key an id of its own")
    return tuple(keys)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
