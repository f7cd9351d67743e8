"""One connection of a device on the stage, from its upgrade to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.wire import events
from keepline.wire.client_handshake import Response, ResponseReader, upgrade_request
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepline.testing.transport import MemoryTransport

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
MASK = bytes(4)
LIMITS = Limits(message_bytes=1 << 24)
SWITCHING = 101


class Line:
    """Speaks WebSocket, answers pings, and hangs up when it is told to close."""

    def __init__(self, on_message: Callable[[str | bytes], None]) -> None:
        self.transport: MemoryTransport | None = None
        self.response: Response | None = None
        self.close_code: int | None = None  # of the Close that came
        self.is_silent = False
        self.is_over = False
        self._on_message = on_message
        self._responses = ResponseReader(LIMITS, key=KEY)
        self._frames = FrameReader(LIMITS, masked=False)

    @property
    def is_open(self) -> bool:
        """Whether the upgrade was granted, and nothing has ended it."""
        return self.response is not None and self.response.status == SWITCHING and not self.is_over

    def ask(self, target: str, headers: Mapping[str, str]) -> None:
        """Ask for the upgrade."""
        request = upgrade_request(host="stage", target=target, headers=headers, key=KEY)
        self._deliver(request)

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        if isinstance(message, str):
            self._deliver(encode_masked(Opcode.TEXT, message.encode(), MASK))
        else:
            self._deliver(encode_masked(Opcode.BINARY, message, MASK))

    def hang_up(self) -> None:
        """Close TCP."""
        if self.transport is not None and not self.is_silent:
            self.is_over = True
            self.transport.deliver_eof()

    def _deliver(self, data: bytes) -> None:
        if self.transport is not None and not (self.is_silent or self.is_over):
            self.transport.deliver(data)

    # -- from the gateway ------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what the gateway wrote."""
        if self.is_silent:
            return
        if self.response is None:
            self.response = self._responses.receive(data)
            if self.response is None:
                return
            data = self._responses.rest
        found = self._frames.receive(data)
        while found:
            for event in found:
                self._on_event(event)
            found = self._frames.receive(b"") if self._frames.pending else []

    def receive_eof(self) -> None:
        """The gateway writes no more: hang up, too."""
        self.hang_up()

    def lose(self) -> None:
        """The connection is gone."""
        self.is_over = True

    def _on_event(self, event: events.Event) -> None:
        match event:
            case events.Text():
                self._on_message(event.text)
            case events.Binary():
                self._on_message(event.data)
            case events.Ping():
                self._deliver(encode_masked(Opcode.PONG, event.data, MASK))
            case events.Close():
                self.close_code = event.code
                self.hang_up()
            case events.Violation():
                raise event.error
