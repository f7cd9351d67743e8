"""What a device puts on the wire, built ahead of time with random masks."""

from __future__ import annotations

import base64
import json
import os
import random
from itertools import cycle

PATH = "/xiaozhi/v1/"
AUDIO_BYTES = 120  # one 60 ms Opus packet of speech at 16 kbit/s

_TEXT, _BINARY, _PONG = 0x81, 0x82, 0x8A
_VARIANTS = 251  # differently masked copies of each constant frame; prime, so they mix


def masked(first_byte: int, payload: bytes, key: bytes) -> bytes:
    """One frame as a client sends it (RFC 6455 §5.3), up to 65,535 bytes."""
    size = len(payload)
    if size < 126:
        head = bytes((first_byte, 0x80 | size))
    else:
        head = bytes((first_byte, 0x80 | 126)) + size.to_bytes(2, "big")
    return head + key + apply_mask(payload, key)


def apply_mask(payload: bytes, key: bytes) -> bytes:
    """XOR with the repeated key: masks and unmasks."""
    size = len(payload)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def upgrade_request(number: int, port: int, token: str) -> bytes:
    """The opening handshake of device `number`."""
    key = base64.b64encode(number.to_bytes(16, "big")).decode()
    mac = ":".join(f"{octet:02x}" for octet in (0x02 << 40 | number).to_bytes(6, "big"))
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\nProtocol-Version: 1\r\nDevice-Id: {mac}\r\n"
        f"Client-Id: 7b94d69a-9808-4c59-9c9b-{number:012x}\r\n\r\n"
    ).encode()


class Frames:
    """The frames every device sends; each call gives the next differently masked copy."""

    def __init__(self, seed: int) -> None:
        keys = random.Random(seed)
        audio = keys.randbytes(AUDIO_BYTES)
        start = {"session_id": "", "type": "listen", "state": "start", "mode": "realtime"}
        held = start | {"mode": "manual"}  # nothing comes back before the `stop`
        stop = {"session_id": "", "type": "listen", "state": "stop"}

        def variants(first_byte: int, payload: bytes) -> cycle[bytes]:
            copies = (masked(first_byte, payload, keys.randbytes(4)) for _ in range(_VARIANTS))
            return cycle(list(copies))

        self.hello = variants(_TEXT, _hello())
        # Of devices that acknowledge messages, and of those that also come back when they are told.
        self.hello_kept = variants(_TEXT, _hello("ack", "resume"))
        self.hello_told = variants(_TEXT, _hello("ack", "resume", "reconnect"))
        self.listen_start = variants(_TEXT, json.dumps(start).encode())
        self.listen_held = variants(_TEXT, json.dumps(held).encode())
        self.listen_stop = variants(_TEXT, json.dumps(stop).encode())
        self.audio = variants(_BINARY, audio)
        self.empty_pong = variants(_PONG, b"")
        self.echo = bytes((_BINARY, AUDIO_BYTES)) + audio  # how an audio frame comes back


def _hello(*features: str) -> bytes:
    hello = {
        "type": "hello",
        "version": 1,
        "features": dict.fromkeys(("mcp", *features), True),
        "transport": "websocket",
        "audio_params": {
            "format": "opus",
            "sample_rate": 16000,
            "channels": 1,
            "frame_duration": 60,
        },
    }
    return json.dumps(hello).encode()


def pong(payload: bytes) -> bytes:
    """The answer to a ping: the same payload (RFC 6455 §5.5.3) under a new key."""
    return masked(_PONG, payload, os.urandom(4))


def numbered_audio(number: int) -> bytes:
    """An audio frame that carries `number` in its first eight bytes."""
    payload = number.to_bytes(8, "big") + b"\x5a" * (AUDIO_BYTES - 8)
    return masked(_BINARY, payload, os.urandom(4))
