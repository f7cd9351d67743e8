"""What a session says to its device: messages, audio at its pace, speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway import mistakes
from keepline.gateway.calls import Calls
from keepline.gateway.delivery import Delivery, lasting, named
from keepline.gateway.seldom import put
from keepline.gateway.speaker import Speaker
from keepline.gateway.speech import Speech
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire import frames
from keepline.wire.audio import pack
from keepline.wire.messages import Tts, encode_server_message

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.gateway.handler import AnyHandler
    from keepline.gateway.packed import Packed
    from keepline.gateway.speech import Parts
    from keepline.wire.messages import Hello, ServerMessage


class Sending(Calls):
    """The way from the handler to the device."""

    __slots__ = ("_full_duplex", "_speaker", "hello")

    def __init__(
        self,
        connection: Connection,
        hello: Hello,
        handler: AnyHandler,
        *,
        device_id: str,
        ids: Packed,
    ) -> None:
        super().__init__(connection, handler, device_id=device_id, ids=ids)
        self._full_duplex = False
        self._speaker: Speaker | None = None
        self.hello = hello

    @property
    def audio_version(self) -> int:
        """How its audio is framed: 1, 2 or 3."""
        return self.hello.version or 1

    @property
    def _delivery(self) -> Delivery | None:
        return self.connection.node.seldom.deliveries.get(self)

    @_delivery.setter
    def _delivery(self, delivery: Delivery | None) -> None:
        put(self.connection.node.seldom.deliveries, self, delivery)

    # -- for the handler -------------------------------------------------------------------

    def send(self, message: ServerMessage) -> None:
        """Send one message of the device protocol."""
        if type(message) not in mistakes.MESSAGES:
            raise mistakes.not_a_message(message)
        self._node.isolation.budgets.send(self)
        self.tell(message)

    def send_text(self, text: str) -> None:
        """Send one text message as it is, with an id for a client that acknowledges."""
        if not isinstance(text, str):
            raise mistakes.not_text(text)
        self._node.isolation.budgets.send(self)
        self.tell_text(text)

    def send_audio(self, frame: bytes, timestamp_ms: int = 0) -> None:
        """Send one Opus frame, at most `session.packets_ahead` of them ahead of real time.

        What is beyond that waits, and then the oldest goes first, as it does when the device
        does not keep up. A device of audio version 2 gives `timestamp_ms` back with what it
        records meanwhile. Raises ValueError for a frame that its version cannot carry.
        """
        if type(frame) is not bytes:
            frame = mistakes.opus(frame)
        if (self.hello.version or 1) != 1:
            frame = self.pack(frame, timestamp_ms)
        speaker = self._speaker
        if speaker is not None:
            speaker.send(frame)
            return
        self._speaker = Speaker(self)
        self._speaker.send(frame)
        self.rest()

    def speak(self, parts: Parts, text: str | None = None) -> Speech:
        """Say `parts`: Opus frames, among them as str the subtitle of those that follow.

        An iterable or async iterable, which is asked for more only as it is heard; `text` is the
        first subtitle. A speech waits for those before it. Returns at once; awaited, the `Speech`
        returns when it was heard or cut. The device's `abort` cuts it, a `listen start` too, and
        while an `abort` waits for the handler nothing is said at all.
        """
        mistakes.check_parts(parts)
        speech = Speech(self._node.loop, parts, text)
        if self.connection.lifecycle.reason is not None or self._is_interrupted():
            speech.end(cancelled=True)
            return speech
        if self._speaker is None:
            self._speaker = Speaker(self)
        self._speaker.say(speech)
        return speech

    def stop_speaking(self) -> None:
        """Cut everything that is being said or waits to be."""
        if self._speaker is not None:
            self._speaker.interrupt()

    # -- for the parts of a session --------------------------------------------------------

    def tell(self, message: ServerMessage) -> None:
        """Send a message that no budget of the handler is charged with."""
        if type(message) is Tts and message.state == "start" and not self._full_duplex:
            # A speaking device records nothing (except in realtime): its silence proves nothing.
            self.connection.expect_audio(flowing=False)
        if type(message) is Tts and message.state == "stop" and self._node.draining:
            self._node.drain.turn_is_over(self)
        text = encode_server_message(message)
        if type(message) is Tts and self._speaker is not None and self._speaker.keep_behind(text):
            return
        self.tell_text(text)

    def tell_text(self, text: str) -> None:
        """Send a text as `tell` sends a message."""
        if self.hello.has("ack"):
            text = self._to_be_acknowledged(text)
        self._node.counters.messages_out += 1
        self.connection.send(frames.text_frame(text))
        if self._node.tuning is not None:
            self._node.tuning.ask(self.connection)

    def pack(self, frame: bytes, timestamp_ms: int) -> bytes:
        """Return the binary message for a frame in the device's audio version."""
        version = self.hello.version or 1
        return frame if version == 1 else pack(frame, version, timestamp_ms)

    def transmit(self, packet: bytes) -> None:
        """Send a binary message now."""
        connection = self.connection
        connection.node.counters.audio_out += 1
        connection.send(frames.binary_frame(packet), audio=True)

    def heard_for_s(self) -> float:
        """Return how long what was said can still be heard, less than 0 for how long it was."""
        return super().heard_for_s() if self._speaker is None else self._speaker.heard_for_s()

    def rest(self) -> None:
        """Give back what an idle device does not need, but not while it is heard."""
        if self._speaker is None or self._speaker.heard_for_s() <= 0:
            super().rest()
        elif self.connection.lifecycle.state is State.IDLE:
            self._speaker.rest_later()

    def drop_audio(self) -> int:
        """Give up the audio that waits in either direction; return how many frames."""
        waiting = 0 if self._speaker is None else self._speaker.drop_audio()
        self._node.counters.outbox_audio_dropped += waiting
        return waiting + super().drop_audio()

    def undelivered(self) -> tuple[str, ...]:
        """Return what the device has not got and will mean something on its next connection."""
        if (delivery := self._delivery) is not None:
            return tuple(delivery)
        outbox = self.connection.outbox
        return () if outbox is None else lasting(outbox.texts())

    def _to_be_acknowledged(self, text: str) -> str:
        """Return a message under its id, and have it wait for its acknowledgement."""
        if self.connection.lifecycle.reason is not None:
            return text  # which goes nowhere any more
        message = named(text, f"{self.session_id}-{next(self._node.call_numbers)}")
        if message is None:
            return text
        delivery = self._delivery
        if delivery is None:
            limit = self._node.settings.outbox.control_messages
            delivery = self._delivery = Delivery(limit)
        if not delivery.take(message):
            self.close(CloseReason.OUTBOX_OVERFLOW)
        return message.text

    def _is_interrupted(self) -> bool:
        inbox = self._inbox
        return inbox is not None and inbox.interruptions > 0
