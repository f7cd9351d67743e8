"""A simulated device, and the other side of it by hand."""

from __future__ import annotations

from math import inf
from random import Random
from typing import TYPE_CHECKING

from keepline.fleet.device import Device
from keepline.fleet.habits import Habits
from keepline.fleet.identity import Identity
from keepline.fleet.reaction import Action, Phase, Reaction
from keepline.fleet.tally import Tally
from keepline.wire import frames
from keepline.wire.events import Binary, Text
from keepline.wire.handshake import RequestReader, upgrade_response
from keepline.wire.limits import Limits
from keepline.wire.messages import (
    AudioParams,
    ServerHello,
    encode_server_message,
    parse_device_message,
)
from keepline.wire.reader import FrameReader

if TYPE_CHECKING:
    from keepline.fleet.habits import TurnKind
    from keepline.wire.events import Event
    from keepline.wire.handshake import Request
    from keepline.wire.messages import DeviceMessage, ServerMessage

START = 1_000.0


class Server:
    """The other side of one device, by hand: notes what it says, answers what it is told to."""

    def __init__(self, device: Device, now: float = START) -> None:
        self.device = device
        self.now = now
        self.events: list[Event] = []
        self.action: Action | None = None
        self._reader = FrameReader(Limits(), masked=True)

    def takes(self, reaction: Reaction) -> None:
        self.action = reaction.action
        self.events += self._reader.receive(reaction.data)

    def says(self, *messages: ServerMessage | bytes) -> None:
        data = b"".join(
            frames.binary_frame(message)
            if isinstance(message, bytes)
            else frames.text_frame(encode_server_message(message))
            for message in messages
        )
        self.sends(data)

    def sends(self, data: bytes) -> None:
        self.takes(self.device.receive(data, self.now))

    def waits(self) -> None:
        """Let the device's next deadline come."""
        assert self.device.due != inf
        self.now = max(self.now, self.device.due)
        self.takes(self.device.tick(self.now))

    def opens(self) -> Request:
        self.waits()
        assert self.action is Action.CONNECT
        request = RequestReader(Limits()).receive(self.device.connected(self.now).data)
        assert request is not None
        self._reader = FrameReader(Limits(), masked=True)
        self.sends(upgrade_response(request))
        return request

    def greets(self) -> None:
        self.opens()
        self.says(ServerHello(session_id="s-1", audio_params=AudioParams()))
        self.events.clear()

    def heard(self) -> list[DeviceMessage | bytes]:
        """What was said since the last call: messages, audio frames."""
        said: list[DeviceMessage | bytes] = []
        for event in self.events:
            assert isinstance(event, Text | Binary), event
            said.append(parse_device_message(event.text) if isinstance(event, Text) else event.data)
        self.events.clear()
        return said


def make_device(
    habits: Habits | None = None, *, token: str | None = "secret", audio_version: int = 1
) -> Device:
    identity = Identity(
        device_id="02:00:00:00:00:01",
        client_id="11111111-2222-4333-8444-555555555555",
        host="gateway.local",
        target="/xiaozhi/v1/",
        token=token,
        audio_version=audio_version,
    )
    return Device(identity, habits or Habits(), Random(1), Tally(), first_due=START + 1)


def talker(kind: TurnKind, *, frames: int = 3, turns: int = 1, **fates: float) -> Habits:
    """Habits of one kind only; stays connected unless `hang_up` or `die` say else."""
    return Habits(
        kinds=(kind,),
        turn_frames=(frames, frames),
        turns=(turns, turns),
        pause_s=(5.0, 5.0),
        dead_s=(50.0, 50.0),
        hang_up=fates.get("hang_up", 0.0),
        die=fates.get("die", 0.0),
    )


def phase_of(device: Device) -> Phase:
    return device.phase
