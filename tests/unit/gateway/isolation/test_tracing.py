from __future__ import annotations

import tracemalloc

from keepline.gateway.isolation.tracing import Tracing


def test_the_line_that_holds_more_than_before_comes_first() -> None:
    tracing = Tracing()
    tracing.start()
    try:
        tracing.look()
        held = [bytes(1_000) for _ in range(1_000)]
        grown = tracing.look()
    finally:
        tracing.stop()
    assert grown[0].at.startswith(f"{__file__}:")
    assert grown[0].grown_bytes > 900_000
    assert len(held) == 1_000
    assert not tracemalloc.is_tracing()


def test_without_tracing_nothing_is_known_and_who_traces_already_is_left_alone() -> None:
    assert Tracing().look() == []
    tracemalloc.start()
    try:
        tracing = Tracing()
        tracing.start()
        tracing.stop()
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
