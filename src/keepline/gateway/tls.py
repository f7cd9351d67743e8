"""TLS on the devices' port: the certificate, its renewal while connections live, and failures."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from keepline.errors import PeerError, StartError
from keepline.gateway.certificate_dates import expires_at
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from keepline.log import Log
    from keepline.settings.tls import Tls

LOOK_EVERY_S = 60

_Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """The TLS context that new connections get; those that live keep the one they came with."""

    def __init__(self, settings: Tls, log: Log, executor: Executor | None) -> None:
        """Load them. Raises StartError that says what to do about it."""
        self._settings = settings
        self._log = log
        self._executor = executor
        self._stamp = self._look()
        self.context = make_context(settings)
        self.expires_at = _expires_at(settings)  # in Unix time; of the one that is shown now
        self._reloading: asyncio.Task[None] | None = None
        self._looked_at: float | None = None

    def each_second(self, now: float) -> None:
        """Look once a minute, off the loop, whether the files have changed."""
        if self._looked_at is None:
            self._looked_at = now
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self.reload(only_if_changed=True)

    def reload(self, *, only_if_changed: bool = False) -> None:
        """Load the files anew, off the loop; a pair that cannot be used changes nothing."""
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.ensure_future(self._reload(only_if_changed=only_if_changed))

    async def stop(self) -> None:
        """Wait for a load that is under way."""
        if self._reloading is not None:
            await self._reloading

    async def _reload(self, *, only_if_changed: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            stamp = await loop.run_in_executor(self._executor, self._look)
            if only_if_changed and stamp == self._stamp:
                return
            self._stamp = stamp  # also when it is broken: it is told once, not every minute
            context = await loop.run_in_executor(self._executor, make_context, self._settings)
            ends = await loop.run_in_executor(self._executor, _expires_at, self._settings)
        except StartError as error:
            self._log.error("certificate_refused", detail=error.problem, hint=error.hint)
            return
        self.context, self.expires_at = context, ends
        self._log.info("certificate_loaded", certificate=str(self._settings.certificate))

    def _look(self) -> _Stamp:
        """Return what tells one version of the files from the next. Raises StartError."""
        return tuple(_stamp(path) for path in _files(self._settings))


def make_context(settings: Tls) -> ssl.SSLContext:
    """Return a server's context: TLS 1.2 and newer. Raises StartError. Reads files."""
    certificate = settings.certificate
    assert certificate is not None, "without one there is no TLS"
    for path in _files(settings):
        _readable(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Firmware does not keep them, and a handshake is cheaper without: two messages less.
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, settings.key, password=_refuse_to_ask)
    except ssl.SSLError as error:
        raise StartError(*_what_is_wrong(error, settings)) from error
    if settings.client_ca is not None:
        try:
            context.load_verify_locations(settings.client_ca)
        except ssl.SSLError as error:
            raise StartError(
                f"{settings.client_ca} has no certificates of authorities",
                "tls.client_ca takes a PEM file with the authorities that sign your devices",
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _expires_at(settings: Tls) -> float | None:
    assert settings.certificate is not None, "without one there is no TLS"
    return expires_at(settings.certificate.read_text("ascii", errors="replace"))


def tls_error(error: ssl.SSLError) -> PeerError:
    """Return a failed handshake in words that an operator can use."""
    words = {
        "HTTP_REQUEST": "plain HTTP was sent to the TLS port",
        "NO_SHARED_CIPHER": "no cipher in common",
        "UNSUPPORTED_PROTOCOL": "a version of TLS older than 1.2",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no client certificate was shown",
        "CERTIFICATE_VERIFY_FAILED": "the client certificate is not of a known authority",
    }
    reason = error.reason or "unknown"
    told = words.get(reason, reason.lower().replace("_", " "))
    return PeerError(told, CloseReason.TLS_FAILED)


def _files(settings: Tls) -> list[Path]:
    return [
        path
        for path in (settings.certificate, settings.key, settings.client_ca)
        if path is not None
    ]


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise StartError(*_cannot_read(path, error)) from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise StartError(*_cannot_read(path, error)) from error


def _cannot_read(path: Path, error: OSError) -> tuple[str, str]:
    return (
        f"cannot read {path}: {error.strerror}",
        "tls.certificate, tls.key and tls.client_ca are PEM files that this process can read",
    )


def _refuse_to_ask() -> str:
    raise StartError(
        "the key of tls.certificate has a passphrase",
        "store it without one, readable for this process only: nobody could type it at a restart",
    )


def _what_is_wrong(error: ssl.SSLError, settings: Tls) -> tuple[str, str]:
    where = settings.key or settings.certificate
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"the key in {where} does not belong to the certificate in {settings.certificate}",
            "give the pair that was made together; in the chain the server's own comes first",
        )
    if settings.key is None:
        hint = "tls.certificate is a PEM file with the chain and the key; or give tls.key, too"
    else:
        hint = "tls.certificate is a PEM file with the chain, tls.key one with its key"
    return f"{settings.certificate} and {where} hold no usable certificate and key", hint
