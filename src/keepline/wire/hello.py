"""What a device's hello may say, and the audio version that is settled with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from keepline.errors import HelloError, RefusedError
from keepline.wire.audio import VERSIONS
from keepline.wire.messages import Hello, Malformed, parse_device_message

if TYPE_CHECKING:
    from keepline.wire.messages import AudioParams

# What Opus has between its slowest and fastest; a packet lasts 2.5 ms at least (RFC 6716 §2.1.4).
SAMPLE_RATE_HZ: Final = range(8_000, 48_001)
CHANNELS: Final = range(1, 3)
FRAME_DURATION_MS: Final = range(2, 121)
_VERSION_NAMES: Final = {str(version): version for version in VERSIONS}


def read_hello(text: str) -> Hello:
    """Return the hello in `text`. Raises HelloError when it is none, or says what cannot be."""
    message = parse_device_message(text)
    if isinstance(message, Malformed):
        raise HelloError(f"the first message was no hello: {message.detail}")
    if not isinstance(message, Hello):
        raise HelloError("the first message was no hello")
    if message.version is not None and message.version not in VERSIONS:
        raise HelloError("hello: audio version is not 1, 2 or 3")
    if message.audio_params is not None:
        _check_audio(message.audio_params)
    return message


def asked_version(protocol_version: str) -> int:
    """Return the audio version of a Protocol-Version header, 1 when it is empty.

    Raises RefusedError for one that is not spoken here.
    """
    if not protocol_version:
        return 1
    version = _VERSION_NAMES.get(protocol_version)
    if version is None:
        raise RefusedError("Protocol-Version is not 1, 2 or 3")
    return version


def settle_version(hello: Hello, asked: int) -> Hello:
    """Return the hello with the session's audio version: its own, or where it has none, `asked`.

    The firmware takes header and hello from one variable, and frames its audio by that.
    """
    return hello if hello.version is not None else structs.replace(hello, version=asked)


def _check_audio(params: AudioParams) -> None:
    if params.sample_rate not in SAMPLE_RATE_HZ:
        raise HelloError("hello: sample_rate is not between 8000 and 48000")
    if params.channels not in CHANNELS:
        raise HelloError("hello: channels is not 1 or 2")
    if params.frame_duration not in FRAME_DURATION_MS:
        raise HelloError("hello: frame_duration is not between 2 and 120")
