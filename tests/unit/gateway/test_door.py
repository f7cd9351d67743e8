from __future__ import annotations

import pytest

from keepline.gateway.door import Door
from keepline.gateway.sockets import peer_address
from tests.unit.gateway.fakes import FakeTransport, World
from tests.unit.gateway.test_admission import head, no_way


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.7", 50_000), "192.0.2.7"),
        (("2001:db8::7", 50_000, 0, 0), "2001:db8::7"),
        (("::ffff:192.0.2.7", 50_000, 0, 0), "192.0.2.7"),
        (("fe80::1%eth0", 50_000, 0, 2), "fe80::1"),
        ("", ""),  # a Unix socket
    ],
)
@pytest.mark.parametrize("secure", [False, True])
async def test_a_request_says_where_it_comes_from_and_how(
    peername: tuple[str, int], address: str, *, secure: bool
) -> None:
    door = Door(World().node, no_way)
    door.secure = secure
    door.come_from(peer_address(peername))
    door.connection_made(FakeTransport())
    door.data_received(head())
    request = await door.request()
    assert request.address == address
    assert request.secure is secure
