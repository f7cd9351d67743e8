"""What a peer may ask of us on the wire. Each limit is the largest value that still passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Gt, Le

Positive = Annotated[int, Gt(0), Le(1_000_000_000)]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection; the settings section `wire`.

    `head_bytes` and `head_lines` bound a request head, from the request line to the empty line;
    `head_lines` counts its header lines. `body_bytes` bounds the body of a configuration request.
    `hello_bytes` bounds each message of a device whose hello was not answered yet,
    `message_bytes` the later ones: the payload over all fragments, and `message_fragments` their
    number. `frames_per_turn` is how many frames one call of `FrameReader.receive` handles.
    `full_turns_per_s` is how many turns full of frames, or reads of 32 KiB, a peer gets in a second
    before it is not read for the rest of it; applied by the connection, which has a clock.
    `messages_per_s` is how many messages a peer gets read in a second, before the same: ten times
    what audio in frames of 20 ms is, so that nobody who speaks meets it; a read of less than 512
    bytes that ends no message counts as one. `flooding_after_s`: who used it up in each of so many
    seconds is closed. `control_frames_per_s` bounds pings and pongs together, as a rate and as a
    burst.
    """

    head_bytes: Positive = 8192
    head_lines: Positive = 64
    body_bytes: Positive = 16_384
    hello_bytes: Positive = 8192
    message_bytes: Positive = 65_536
    message_fragments: Positive = 256
    frames_per_turn: Positive = 64
    full_turns_per_s: Positive = 32
    messages_per_s: Positive = 500
    flooding_after_s: Positive = 60
    control_frames_per_s: Positive = 20

    def before_hello(self) -> Limits:
        """Return the limits of a device that is not known yet: its memory is an attacker's."""
        return replace(self, message_bytes=min(self.hello_bytes, self.message_bytes))
