from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.errors import RefusedError
from keepline.gateway.configuration import answer_configuration
from tests.unit.gateway.fakes import TOKEN, World, device_request


def asks(**changes: Any) -> dict[str, Any]:
    headers = {"host": "gateway.lan:8000", "device-id": "device-1"} | changes.pop("headers", {})
    return {"method": "POST", "path": "/xiaozhi/ota/", "key": None, "headers": headers} | changes


async def answered(world: World, **changes: Any) -> tuple[str, Any]:
    response = answer_configuration(world.node, device_request(**asks(**changes)))
    head, _, body = response.partition(b"\r\n\r\n")
    return head.decode(), json.loads(body)


async def open_world(**sections: Any) -> World:
    world = World(**sections)
    world.node.enrolment_open = True
    world.node.port = 8_000
    return world


async def test_a_device_learns_where_to_connect_and_with_which_token() -> None:
    head, body = await answered(await open_world())
    assert head.startswith("HTTP/1.1 200 ")
    assert body["websocket"] == {
        "url": "ws://gateway.lan:8000/xiaozhi/v1/",
        "token": TOKEN,
        "version": 1,
    }


async def test_the_time_is_the_wall_clock_in_milliseconds() -> None:
    world = await open_world()
    _, body = await answered(world)
    assert body["server_time"]["timestamp"] == round(world.clock.wall() * 1_000)


async def test_no_firmware_is_offered_so_that_no_device_updates_itself() -> None:
    _, body = await answered(await open_world())
    assert body["firmware"] == {"version": "", "url": ""}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("192.168.1.10", "ws://192.168.1.10:8000/xiaozhi/v1/"),  # as the firmware sends it
        ("192.168.1.10:9000", "ws://192.168.1.10:9000/xiaozhi/v1/"),  # a port was forwarded
        ("[fe80::1]", "ws://[fe80::1]:8000/xiaozhi/v1/"),
        ("[fe80::1]:9000", "ws://[fe80::1]:9000/xiaozhi/v1/"),
    ],
)
async def test_the_url_is_the_host_that_the_device_used(host: str, url: str) -> None:
    _, body = await answered(await open_world(), headers={"host": host})
    assert body["websocket"]["url"] == url


async def test_without_a_token_the_device_gets_a_word_that_stands_for_none() -> None:
    _, body = await answered(await open_world(auth={"token": None}))
    assert body["websocket"]["token"] == "none"


async def test_where_others_could_ask_nothing_is_handed_out() -> None:
    world = await open_world()
    world.node.enrolment_open = False
    with pytest.raises(RefusedError) as refused:
        await answered(world)
    assert refused.value.reason.status == 403
    assert TOKEN not in refused.value.detail


async def test_only_post_asks_for_a_configuration() -> None:
    with pytest.raises(RefusedError) as refused:
        await answered(await open_world(), method="GET")
    assert refused.value.reason.status == 405


async def test_who_gives_no_id_is_given_no_token() -> None:
    with pytest.raises(RefusedError) as refused:
        await answered(await open_world(), headers={"device-id": ""})
    assert refused.value.reason.status == 403
