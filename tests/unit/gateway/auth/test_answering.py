from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from keepline.gateway.auth.answering import UnusableError, read_bounded


class Parts:
    """A body that comes in parts; `asked_for` is how many were taken."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.asked_for = 0

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            self.asked_for += 1
            yield part


@pytest.mark.parametrize("size", [0, 9, 10])
async def test_a_body_up_to_the_limit_is_read_whole(size: int) -> None:
    assert (
        await read_bounded(Parts(b"x" * (size // 2), b"x" * (size - size // 2)), 10) == b"x" * size
    )


async def test_a_body_beyond_the_limit_is_not_read_to_its_end() -> None:
    body = Parts(b"x" * 10, b"x", b"never")
    with pytest.raises(UnusableError, match="more than 10 bytes"):
        await read_bounded(body, 10)
    assert body.asked_for == 2


def test_a_server_counts_as_ill_unless_it_disliked_the_question() -> None:
    assert not UnusableError("status 500").is_well
    assert UnusableError("status 422", is_well=True).is_well
