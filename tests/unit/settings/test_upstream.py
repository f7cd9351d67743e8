from __future__ import annotations

import pytest
from pydantic import ValidationError

from keepline.settings.upstream import MOST_UPSTREAMS, Upstreams


@pytest.mark.parametrize(
    "url",
    [
        "ws://voice/",
        "wss://voice:8000/xiaozhi/v1/",
        "ws://[::1]:1/",
        "ws://10.0.0.1",
        "ws://a/?k=v",
    ],
)
def test_a_websocket_address_is_an_upstream(url: str) -> None:
    assert Upstreams(urls=(url,)).urls == (url,)


@pytest.mark.parametrize(
    "url",
    [
        *("http://voice/", "voice:8000", "ws://", "ws:///path", "//voice/", "ws://voice:0/"),
        *("ws://voice:70000/", "ws://user:s3cret@voice/", "ws://voice/#s3cret", "ws://[::1/"),
        *("ws://voice/a b", "ws://voice/\r\nx", "ws://stra\u00dfe/", "WS//voice"),
    ],
)
def test_anything_else_is_refused_by_its_number(url: str) -> None:
    with pytest.raises(ValidationError, match="urls: number 2 must be ws://HOST/PATH") as error:
        Upstreams(urls=("ws://voice/", url))
    assert "s3cret" not in error.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "other", ["ws://voice/", "ws://voice", "ws://VOICE:80/", "ws://voice:80/?again"]
)
def test_the_same_upstream_twice_is_refused(other: str) -> None:
    with pytest.raises(ValidationError, match="number 3 is the same as number 1"):
        Upstreams(urls=("ws://voice/", "ws://other/", other))


@pytest.mark.parametrize("other", ["wss://voice/", "ws://voice:81/", "ws://voice/v2/"])
def test_what_differs_in_scheme_port_or_path_is_another(other: str) -> None:
    assert len(Upstreams(urls=("ws://voice/", other)).urls) == 2


def test_there_are_so_many_upstreams_and_no_more() -> None:
    urls = tuple(f"ws://voice-{number}/" for number in range(MOST_UPSTREAMS + 1))
    assert len(Upstreams(urls=urls[:-1]).urls) == MOST_UPSTREAMS
    with pytest.raises(ValidationError, match="64 at most, not 65"):
        Upstreams(urls=urls)


def test_several_are_separated_by_commas() -> None:
    assert Upstreams.model_validate({"urls": "ws://a/, ws://b/"}).urls == ("ws://a/", "ws://b/")


def test_the_longest_ejection_is_not_shorter_than_the_first() -> None:
    assert Upstreams(eject_s=10.0, eject_max_s=10.0).eject_max_s == 10.0
    with pytest.raises(ValidationError, match="eject_max_s must be at least eject_s"):
        Upstreams(eject_s=10.0, eject_max_s=9.0)


@pytest.mark.parametrize(
    ("name", "at", "beyond"),
    [
        *(("connects", 1, 0), ("failures", 1, 0), ("failure_share", 1.0, 1.1)),
        *(("most_ejected", 0.0, -0.1), ("most_ejected", 1.0, 1.1), ("slow_start_s", 0.0, -1.0)),
        *(("check_path", "", "health"), ("check_path", "/health?x=1", "/a b"), ("check_s", 1, 0)),
    ],
)
def test_a_limit_is_taken_and_beyond_it_is_refused(name: str, at: object, beyond: object) -> None:
    assert getattr(Upstreams.model_validate({name: at}), name) == at
    with pytest.raises(ValidationError):
        Upstreams.model_validate({name: beyond})


def test_a_query_is_not_shown() -> None:
    assert "s3cret" not in repr(Upstreams(urls=("ws://voice/?key=s3cret",)))
