"""Where frames end in what the load generator reads."""

from __future__ import annotations

from bench.load.swarm import frame_size
from keepline.wire.frames import binary_frame, ping_frame, text_frame


def test_the_whole_size_is_known_from_the_header_on() -> None:
    for frame in (ping_frame(b""), ping_frame(b"abcd"), text_frame("{}"), binary_frame(b"x" * 300)):
        size, start = frame_size(frame)
        assert size == len(frame)
        assert len(frame[start:]) in {0, 4, 2, 300}


def test_a_cut_header_says_that_more_is_needed() -> None:
    frame = binary_frame(b"x" * 300)
    for cut in range(1, 4):
        assert frame_size(frame[:cut])[0] > cut
