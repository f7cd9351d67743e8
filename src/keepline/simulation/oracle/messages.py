"""PURE: which messages a device has to get, how often, and in which order."""

from __future__ import annotations

from typing import Final

from keepline.simulation.violation import ViolationError

KEPT: Final = 4_096


class Message:
    """One message to one device."""

    __slots__ = ("heard", "is_excused", "is_settled", "is_written", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.heard = 0
        self.is_written = False  # the socket took it
        self.is_excused = False  # nobody promised it, or the promise was called off
        self.is_settled = False  # its acknowledgement has come


class Messages:
    """One device, which acknowledges or does not. Numbers count up in the order of sending."""

    __slots__ = ("_acknowledged", "_device_id", "_is_acknowledging", "_latest", "_sent")

    def __init__(self, device_id: str, *, is_acknowledging: bool) -> None:
        self._device_id = device_id
        self._is_acknowledging = is_acknowledging
        self._sent: dict[int, Message] = {}
        self._latest = 0  # first heard on the connection that it has now
        self._acknowledged: list[tuple[int, Message]] = []  # after so many words of its own

    def sending(self, number: int) -> None:
        """A message is being sent."""
        self._sent[number] = Message(number)
        if len(self._sent) > KEPT:
            del self._sent[next(iter(self._sent))]

    def excuse(self, number: int | None = None) -> None:
        """A message need not come, or none of those that have not come yet."""
        for message in list(self._sent.values()):
            if number in {None, message.number}:
                message.is_excused = True

    def written(self, number: int) -> None:
        """The socket has taken it."""
        if number in self._sent:
            self._sent[number].is_written = True

    def connected(self) -> None:
        """The device has a new connection."""
        self._latest = 0
        self._acknowledged.clear()

    def heard(self, number: int, words: int) -> None:
        """The device has got it, having said so many words on this connection."""
        message = self._sent.get(number)
        if message is None:
            raise ViolationError(
                "delivery", f"{self._device_id} was told {number}, never sent to it"
            )
        message.heard += 1
        if message.heard > 1 and not message.is_excused:
            if not self._is_acknowledging:
                raise ViolationError("delivery", f"{self._device_id} was told {number} twice")
            if message.is_settled:
                raise ViolationError(
                    "delivery", f"{self._device_id} was told {number} again, acknowledged before"
                )
        if message.heard == 1:
            if number < self._latest:
                raise ViolationError(
                    "delivery", f"{self._device_id} was told {number} after {self._latest}"
                )
            self._latest = number
        if self._is_acknowledging:
            self._acknowledged.append((words, message))

    def understood(self, words: int) -> None:
        """The application has heard that word of it: what it said before has come, too."""
        while self._acknowledged and self._acknowledged[0][0] < words:
            self._acknowledged.pop(0)[1].is_settled = True

    def owed(self) -> list[int]:
        """Return the messages that have to come and have not."""
        return [
            message.number
            for message in self._sent.values()
            if not (message.heard or message.is_excused)
            and (self._is_acknowledging or not message.is_written)
        ]
