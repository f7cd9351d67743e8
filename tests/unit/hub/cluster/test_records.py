"""What stands in the streams can be read by whoever finds it, and no two devices are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.hub.cluster.records import (
    Beat,
    Owner,
    encode,
    name_of,
    read_beat,
    read_owner,
    token,
)


@given(st.text(min_size=1))
def test_every_id_is_one_token_of_a_subject_and_comes_back(name: str) -> None:
    coded = token(name)
    assert not set(coded) & set(". *>\t\r\n")
    assert coded.isascii()
    assert name_of(coded) == name


@pytest.mark.parametrize("name", ["device-1", "aa:bb:cc:dd:ee:ff", "A_b"])
def test_an_id_that_needs_no_code_stands_as_it_is(name: str) -> None:
    assert token(name) == name


def test_an_id_that_looks_like_a_code_is_coded_itself() -> None:
    assert token("=abc") != "=abc"
    assert name_of(token("=abc")) == "=abc"


def test_what_nobody_of_us_has_written_is_no_record() -> None:
    for data in (b"", b"null", b"[]", b'{"life":1}', b"\xff"):
        assert read_owner(data) is None
        assert read_beat(data) is None


def test_records_come_back_as_they_were() -> None:
    owner = Owner("life", "node", "session", 12.5, 60.0, keeps=True)
    assert read_owner(encode(owner)) == owner
    beat = Beat("node", 1, 2, draining=True)
    assert read_beat(encode(beat)) == beat


def test_a_window_is_over_when_it_has_passed_and_a_clock_that_went_back_lengthens_none() -> None:
    released = Owner("", "node", "", since=1_000.0, window_s=60.0)
    assert released.is_released
    assert not released.is_over(1_059.9)
    assert released.is_over(1_060.0)
