"""Masking against the definition in RFC 6455 §5.3, byte by byte."""

from __future__ import annotations

import random

import pytest

from keepline.wire.masking import apply_mask

KEY = bytes.fromhex("37fa213d")


def by_definition(data: bytes, key: bytes, offset: int = 0) -> bytes:
    return bytes(byte ^ key[(offset + i) % 4] for i, byte in enumerate(data))


def test_the_example_of_the_standard() -> None:
    assert apply_mask(bytes.fromhex("7f9f4d5158"), KEY) == b"Hello"


@pytest.mark.parametrize(
    "size", [*range(6), 120, 126, 127, *range(509, 514), *range(1023, 1029), 70_001]
)
def test_every_size_is_masked_as_defined(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert apply_mask(data, KEY) == by_definition(data, KEY)


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 5, 1_000_003])
@pytest.mark.parametrize("size", [1, 7, 2_000])
def test_a_piece_from_the_middle_of_a_frame_continues_the_key(offset: int, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert apply_mask(data, KEY, offset) == by_definition(data, KEY, offset)


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x01", b"\x80\0\0\0"])
@pytest.mark.parametrize("size", [6, 3_000])
def test_keys_with_leading_zeros_and_ones_are_keys_like_any_other(key: bytes, size: int) -> None:
    assert apply_mask(bytes(size), key) == by_definition(bytes(size), key)


def test_masking_twice_gives_the_data_back() -> None:
    data = random.Random(0).randbytes(5_000)
    assert apply_mask(apply_mask(data, KEY), KEY) == data
