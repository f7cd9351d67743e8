from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.errors import HelloError, RefusedError
from keepline.reasons import CloseReason
from keepline.wire.hello import asked_version, read_hello, settle_version
from keepline.wire.messages import Hello


def said(**fields: Any) -> str:
    return json.dumps({"type": "hello", **fields})


@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_spoken_version_is_read(version: int) -> None:
    assert read_hello(said(version=version)).version == version


@pytest.mark.parametrize("version", [-1, 0, 4, 1 << 40])
def test_a_version_beyond_the_spoken_ones_is_no_usable_hello(version: int) -> None:
    with pytest.raises(HelloError, match="version is not 1, 2 or 3"):
        read_hello(said(version=version))


def test_a_browser_hello_without_audio_and_version_is_usable() -> None:
    hello = read_hello(said(device_id="a", device_name="b", device_mac="c", token="secret"))
    assert hello == Hello(device_id="a", device_name="b", device_mac="c")
    assert "secret" not in repr(hello)


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [("sample_rate", 8_000, 48_000), ("channels", 1, 2), ("frame_duration", 2, 120)],
)
def test_audio_is_taken_within_bounds_and_refused_beyond(
    field: str, lowest: int, highest: int
) -> None:
    for value in (lowest, highest):
        params = read_hello(said(audio_params={field: value})).audio_params
        assert getattr(params, field) == value
    for value in (lowest - 1, highest + 1, 0, -1, 1 << 70):
        with pytest.raises(HelloError, match=field):
            read_hello(said(audio_params={field: value}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"type":"listen","state":"start"}',
        '{"type":"nobody knows"}',
        '{"type":"hello","version":"1"}',
        '{"type":"hello","version":1.5}',
        '{"type":"hello","version":true}',
        '{"type":"hello","version":NaN}',
        '{"type":"hello","audio_params":[]}',
        '{"type":"hello","audio_params":{"frame_duration":2.5}}',
        '{"type":"hello","audio_params":{"sample_rate":' + "9" * 8_000 + "}}",
        '{"type":"hello","features":"mcp"}',
        '{"type":"hello","text_font":{"size":20}}',
        '{"type":"hello","features":' + '{"a":' * 600 + "1" + "}" * 600 + "}",
    ],
)
def test_what_is_no_hello_is_an_error(text: str) -> None:
    with pytest.raises(HelloError, match="hello"):
        read_hello(text)


def test_the_error_of_a_hello_repeats_nothing_of_it() -> None:
    with pytest.raises(HelloError) as caught:
        read_hello('{"type":"hello","token":"secret","version":"secret"}')
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(("header", "version"), [("", 1), ("1", 1), ("2", 2), ("3", 3)])
def test_the_header_asks_for_a_version_and_none_means_1(header: str, version: int) -> None:
    assert asked_version(header) == version


@pytest.mark.parametrize(
    "header", ["0", "4", "-1", "01", "1.0", " 1", "1, 2", "one", "²", "\uff11"]
)
def test_a_header_that_names_no_spoken_version_is_refused(header: str) -> None:
    with pytest.raises(RefusedError, match="Protocol-Version is not 1, 2 or 3") as caught:
        asked_version(header)
    assert caught.value.reason is CloseReason.BAD_REQUEST


def test_the_hello_has_the_last_word_where_it_says_one() -> None:
    hello = Hello(version=3)
    assert settle_version(hello, 1) is hello
    assert settle_version(Hello(version=1), 2).version == 1
    assert settle_version(Hello(device_id="a"), 2) == Hello(version=2, device_id="a")
