"""The devices' port behind TLS: everything that works without it works the same."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from keepline.errors import StartError
from keepline.gateway.connection import Connection
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, binary_frame
from tests.conftest import DEVICE_ID, RunningGateway
from tests.gateway.peers import Peer, identity, live, ping, pong, request, tcp
from tests.gateway.tls_peers import NAME, Authority, TlsPeer, tls_live
from tests.waiting import eventually

Start = Callable[..., Any]
HEART = {"interval_s": 1, "suspicious_s": 2, "zombie_s": 3, "probe_min_s": 0.2}
QUICK = {"xiaozhi": {"close_timeout_s": 0.3}}
SMALL = 4_096  # the kernel's receive buffer of a device that reads slowly
FRAME = bytes(4_000)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def empty(gateway: RunningGateway) -> bool:
    node = gateway.node
    arrivals = node.arrivals
    under_way = arrivals.admissions or arrivals.turned_away or arrivals.addresses
    return not (node.registry or node.cleanups or node.wheel.armed or under_way)


async def test_an_independent_client_is_served_over_tls(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    async with connect(
        f"wss://127.0.0.1:{gateway.port}/xiaozhi/v1/",
        ssl=authority.client(),
        server_hostname=NAME,
        additional_headers=identity(),
        proxy=None,
    ) as device:
        await device.send('{"type":"hello","version":1,"transport":"websocket"}')
        assert '"hello"' in str(await device.recv())
        await device.ping()
    await eventually(lambda: empty(gateway))
    assert gateway.counters.disconnects[CloseReason.DEVICE_SAID_CLOSE] == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(
    start_gateway: Start, authority: Authority, version: ssl.TLSVersion
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    async with tls_live(gateway.port, context) as peer:
        assert peer.version == version.name.replace("_", ".")
        (session,) = gateway.node.registry
        assert session.connection.transport.get_extra_info("compression") is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
async def test_older_versions_are_refused_and_counted(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    context = authority.client()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await TlsPeer.shake_hands(gateway.port, context)
    await eventually(lambda: gateway.counters.disconnects[CloseReason.TLS_FAILED] == 1)
    await eventually(lambda: empty(gateway))


async def test_plain_http_on_the_tls_port_is_named_in_the_log(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        await peer.end()
    await eventually(lambda: gateway.counters.disconnects[CloseReason.TLS_FAILED] == 1)
    (line,) = gateway.logged("device_dropped")
    assert line["detail"] == "plain HTTP was sent to the TLS port"
    assert empty(gateway)


async def test_tls_on_the_plain_port_is_answered_and_named(
    gateway: RunningGateway, authority: Authority
) -> None:
    with pytest.raises(ssl.SSLError):
        await TlsPeer.shake_hands(gateway.port, authority.client())
    await eventually(lambda: gateway.counters.disconnects[CloseReason.BAD_REQUEST] == 1)
    (line,) = gateway.logged("device_refused")
    assert "TLS" in line["detail"]


async def test_a_client_that_does_not_trust_us_is_counted(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    with pytest.raises(ssl.SSLError):
        await TlsPeer.shake_hands(gateway.port, ssl.create_default_context())
    await eventually(lambda: gateway.counters.disconnects[CloseReason.TLS_FAILED] == 1)
    assert "unknown ca" in gateway.logged("device_dropped")[0]["detail"]


async def test_who_leaves_before_the_handshake_is_nobodys_failure(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    async with tcp(gateway.port) as probe:
        await eventually(lambda: gateway.node.arrivals.admissions)
        probe.fin()
        await probe.end()
    await eventually(lambda: empty(gateway))
    assert not gateway.logged("device_dropped")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01"])
async def test_a_handshake_ends_with_the_one_deadline(
    start_gateway: Start, authority: Authority, sent: bytes
) -> None:
    gateway = await start_gateway(
        tls=authority.pair(), profiles={"xiaozhi": {"hello_timeout_s": 0.3}}
    )
    async with tcp(gateway.port) as peer:
        await peer.send(sent)
        await peer.end(within_s=2.0)
    await eventually(lambda: empty(gateway))
    assert gateway.counters.disconnects[CloseReason.TLS_FAILED] == 1


async def test_handshakes_count_as_admissions_and_who_is_too_many_gets_none(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair(), server={"max_admissions": 2})
    async with tcp(gateway.port), tcp(gateway.port):
        await eventually(lambda: len(gateway.node.arrivals.admissions) == 2)
        async with tcp(gateway.port) as third:
            await third.end(within_s=1.0)
        assert gateway.counters.disconnects[CloseReason.FULL] == 1
    await eventually(lambda: empty(gateway))


async def test_a_refusal_is_read_whole_and_the_end_follows(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    peer = await TlsPeer.shake_hands(gateway.port, authority.client())
    with contextlib.closing(peer):
        await peer.send(request(Authorization="Bearer wrong") + bytes(4_000))
        status, head = await peer.answer()
        assert status == 401
        assert f"Content-Length: {len(peer._received)}" in head
        assert await peer.read(1) == b""  # the goodbye of TLS
        await peer.goodbye()
        assert await peer.end(within_s=0.9) == "fin"
    await eventually(lambda: empty(gateway))


async def test_a_violation_is_told_before_the_end(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair(), profiles=QUICK)
    async with tls_live(gateway.port, authority.client()) as peer:
        await peer.send(b"\xff" * 200_000)
        assert await peer.close_code() == 1002
        assert await peer.read(1) == b""
        await peer.end(within_s=1.0)  # it does not say goodbye: the bound ends it
    await eventually(lambda: empty(gateway))
    assert gateway.counters.disconnects[CloseReason.PROTOCOL_ERROR] == 1


async def test_heartbeats_go_both_ways(start_gateway: Start, authority: Authority) -> None:
    gateway = await start_gateway(tls=authority.pair(), heartbeat=HEART)
    async with tls_live(gateway.port, authority.client()) as peer:
        await peer.send(ping(b"there?"))
        assert await peer.frame() == (Opcode.PONG, b"there?")
        opcode, payload = await peer.frame()
        assert opcode == Opcode.PING
        await peer.send(pong(payload))
        await eventually(lambda: gateway.counters.pongs_received == 1)
        (session,) = gateway.node.registry
        assert session.connection.heartbeat.average_rtt_s is not None


async def test_a_device_that_falls_silent_is_closed_and_dropped(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair(), heartbeat=HEART, profiles=QUICK)
    async with tls_live(gateway.port, authority.client()) as peer:
        assert await peer.close_code() == 1001
        assert await peer.end(within_s=1.0) == "rst"  # nothing is kept for the dead
    assert gateway.counters.disconnects[CloseReason.HEARTBEAT_TIMEOUT] == 1
    await eventually(lambda: empty(gateway))


def connection_of(gateway: RunningGateway, device_id: str = DEVICE_ID) -> Connection:
    session = gateway.node.registry.by_device(device_id)
    assert session is not None
    return session.connection


async def fill(connection: Connection) -> None:
    """Send until the device takes nothing more, neither here nor in the kernel."""
    for _ in range(3_000):
        connection.send(binary_frame(FRAME), audio=True)
        if connection.outbox is not None:
            await asyncio.sleep(0.01)
            if connection.outbox is not None:
                return
    raise AssertionError("it takes whatever comes")


async def test_what_waits_for_a_device_that_does_not_read_is_bounded(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair(), outbox={"audio_frames": 8})
    async with tls_live(gateway.port, authority.client(), receive_buffer_bytes=SMALL):
        connection = connection_of(gateway)
        await fill(connection)
        waiting = connection.transport.get_write_buffer_size()
        assert waiting < 200_000
        for _ in range(100):
            connection.send(binary_frame(FRAME), audio=True)
        assert gateway.counters.outbox_audio_dropped >= 92
        assert connection.transport.get_write_buffer_size() == waiting


async def test_what_a_device_sends_that_does_not_read_is_bounded(
    start_gateway: Start, authority: Authority
) -> None:
    unbounded = {"control_frames_per_s": 100_000, "messages_per_s": 100_000}
    gateway = await start_gateway(tls=authority.pair(), wire=unbounded)
    async with tls_live(gateway.port, authority.client(), receive_buffer_bytes=SMALL) as peer:
        await fill(connection_of(gateway))
        sending = asyncio.ensure_future(peer.send(ping(bytes(125)) * 100_000))
        await asyncio.sleep(0.5)
        assert not sending.done()  # 13 MB: not read, so it waits in the device
        assert gateway.counters.pings_received < 5_000
        sending.cancel()


async def test_a_reader_that_is_stuck_is_closed_and_others_go_on(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(
        tls=authority.pair(),
        outbox={"stuck_after_s": 1},
        heartbeat={"interval_s": 1},
        profiles=QUICK,
    )
    context = authority.client()
    async with (
        tls_live(gateway.port, context, "other") as other,
        tls_live(gateway.port, context, "stuck", receive_buffer_bytes=SMALL) as stuck,
    ):
        await fill(connection_of(gateway, "stuck"))
        await eventually(
            lambda: gateway.counters.disconnects[CloseReason.SLOW_READER] == 1, within_s=4.0
        )
        assert gateway.counters.verdicts == 0
        assert await stuck.end() == "rst"
        await other.send(ping(b"1"))
        while await other.frame() != (Opcode.PONG, b"1"):
            pass


async def test_a_slow_device_that_reads_on_gets_everything_in_order(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(
        tls=authority.pair(), outbox={"audio_frames": 1_000, "bytes": 10_000_000}
    )
    async with tls_live(gateway.port, authority.client(), receive_buffer_bytes=SMALL) as peer:
        connection = connection_of(gateway)
        await fill(connection)
        for number in range(50):
            connection.send(binary_frame(number.to_bytes(2) + FRAME), audio=True)
        seen = 0
        while seen < 50:
            _, payload = await peer.frame()
            if len(payload) > len(FRAME):
                assert int.from_bytes(payload[:2]) == seen
                seen += 1
        assert connection.lifecycle.reason is None


@pytest.mark.parametrize("leaves", ["goodbye", "fin", "rst"])
async def test_however_a_device_leaves_nothing_stays(
    start_gateway: Start, authority: Authority, leaves: str
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    async with tls_live(gateway.port, authority.client()) as peer:
        if leaves == "goodbye":
            await peer.goodbye()
        else:
            getattr(peer, leaves)()
        await eventually(lambda: empty(gateway))
    wanted = CloseReason.DEVICE_RESET if leaves == "rst" else CloseReason.DEVICE_CLOSED
    assert gateway.counters.disconnects[wanted] == 1


async def test_a_leaving_gateway_tells_everybody_over_tls(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair(), profiles=QUICK)
    async with tls_live(gateway.port, authority.client()) as peer, tcp(gateway.port) as half_way:
        await eventually(lambda: gateway.node.arrivals.admissions)
        stopping = asyncio.ensure_future(gateway.gateway.stop())
        assert await peer.close_code() == 1001
        await half_way.end(within_s=1.0)
        await stopping
    assert empty(gateway)
    assert gateway.counters.disconnects[CloseReason.DRAINING] == 1


# -- certificates --------------------------------------------------------------------------


async def serial_of(gateway: RunningGateway, context: ssl.SSLContext) -> object:
    peer = await TlsPeer.shake_hands(gateway.port, context)
    with contextlib.closing(peer):
        return peer.serial_number


async def test_a_new_certificate_is_used_and_old_connections_live_on(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    context = authority.client()
    async with tls_live(gateway.port, context) as peer:
        before = peer.serial_number
        authority.pair()
        assert gateway.gateway.reload_certificate()
        await eventually(lambda: gateway.logged("certificate_loaded"))
        assert await serial_of(gateway, context) != before
        await peer.send(ping(b"still there?"))
        assert await peer.frame() == (Opcode.PONG, b"still there?")


async def test_a_changed_file_is_found_without_a_signal(
    start_gateway: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepline.gateway.tls.LOOK_EVERY_S", 0)
    gateway = await start_gateway(tls=authority.pair())
    before = await serial_of(gateway, authority.client())
    await asyncio.sleep(2.1)
    assert not gateway.logged("certificate_loaded")  # nothing has changed
    authority.pair()
    await eventually(lambda: gateway.logged("certificate_loaded"), within_s=3.0)
    assert await serial_of(gateway, authority.client()) != before


@pytest.mark.parametrize("broken", ["certificate", "key", "no key", "half"])
async def test_a_broken_new_pair_is_refused_and_the_old_one_stays(
    start_gateway: Start, authority: Authority, broken: str
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    before = await serial_of(gateway, authority.client())
    authority.spoil(broken)
    gateway.gateway.reload_certificate()
    await eventually(lambda: gateway.logged("certificate_refused"))
    assert await serial_of(gateway, authority.client()) == before
    authority.pair()
    gateway.gateway.reload_certificate()
    await eventually(lambda: gateway.logged("certificate_loaded"))
    assert await serial_of(gateway, authority.client()) != before


async def test_without_tls_there_is_nothing_to_load(gateway: RunningGateway) -> None:
    assert not gateway.gateway.reload_certificate()


async def test_a_gateway_does_not_start_without_its_certificate(
    start_gateway: Start, tmp_path: Path
) -> None:
    with pytest.raises(StartError, match="cannot read"):
        await start_gateway(tls={"certificate": str(tmp_path / "nothing.pem")})


# -- certificates of devices ---------------------------------------------------------------


async def test_with_an_authority_for_devices_only_its_devices_are_let_in(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls={**authority.pair(), "client_ca": authority.file()})
    async with tls_live(gateway.port, authority.known_client()):
        assert gateway.counters.sessions_opened == 1
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 a client hears of it too late
    with pytest.raises(ssl.SSLError):
        await TlsPeer.shake_hands(gateway.port, context)
    await eventually(lambda: gateway.counters.disconnects[CloseReason.TLS_FAILED] == 1)
    (line,) = gateway.logged("device_dropped")
    assert line["detail"] == "no client certificate was shown"


async def test_what_breaks_tls_in_the_middle_ends_that_connection_alone(
    start_gateway: Start, authority: Authority
) -> None:
    gateway = await start_gateway(tls=authority.pair())
    context = authority.client()
    async with (
        tls_live(gateway.port, context, "good") as good,
        tls_live(gateway.port, context, "bad") as bad,
    ):
        await Peer.send(bad, b"\x17\x03\x03\x00\x04junk")
        await bad.end()
        await good.send(ping(b"1"))
        assert await good.frame() == (Opcode.PONG, b"1")
        await eventually(lambda: len(gateway.node.registry) == 1)


async def test_plain_devices_are_not_touched_by_any_of_this(gateway: RunningGateway) -> None:
    async with live(gateway.port):
        assert gateway.counters.sessions_opened == 1
