from __future__ import annotations

import pytest

from keepline.gateway.door import Door
from tests.unit.gateway.fakes import FakeTransport, World
from tests.unit.gateway.test_admission import head


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.7", 50_000), "192.0.2.7"),
        (("2001:db8::7", 50_000, 0, 0), "2001:db8::7"),
        (("::ffff:192.0.2.7", 50_000, 0, 0), "192.0.2.7"),
        (("fe80::1%eth0", 50_000, 0, 2), "fe80::1"),
        ("", ""),  # a Unix socket
        (None, ""),
    ],
)
async def test_a_request_says_which_address_it_comes_from(
    peername: tuple[str, int], address: str
) -> None:
    transport = FakeTransport()
    transport.peername = peername
    door = Door(World().node)
    door.connection_made(transport)
    door.data_received(head())
    request = await door.request()
    assert request.address == address
    assert not request.secure
