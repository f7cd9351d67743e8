from __future__ import annotations

from keepline.app.descriptors import OTHER_DESCRIPTORS, wanted_descriptors
from keepline.settings.server import Server


def test_a_full_gateway_needs_one_for_each_device_and_handshake_and_some() -> None:
    server = Server(max_connections=1_000, max_admissions=100)
    assert wanted_descriptors(server) == 1_100 + OTHER_DESCRIPTORS
