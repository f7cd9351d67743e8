"""How to make each reason happen, as far as a plain socket can: `PROOFS`."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from keepline.gateway.handler import AnyHandler, Handler
from keepline.gateway.identity import Identity
from keepline.gateway.session import Session
from keepline.handlers.echo import Echo
from keepline.reasons import CloseReason
from keepline.wire import frames
from tests.conftest import DEVICE_ID, RunningGateway
from tests.gateway.peers import HELLO, close, live, ping, request, tcp, text, there
from tests.waiting import eventually

QUICK = {"xiaozhi": {"close_timeout_s": 0.2}}
IMPATIENT = {"xiaozhi": {"close_timeout_s": 0.2, "hello_timeout_s": 0.3}}
SMALL = 4_096
FRAME = bytes(4_000)
OTA = "/xiaozhi/ota/"
ABROAD = "192.0.2.1"

Act = Callable[[RunningGateway], Awaitable[int | None]]


class Proof(NamedTuple):
    """What makes a reason happen; it returns the status or code that the peer has seen."""

    act: Act
    handler: Callable[[], AnyHandler]
    settings: dict[str, Any]


PROOFS: dict[CloseReason, Proof] = {}


def proves(
    reason: CloseReason, handler: Callable[[], AnyHandler] = Echo, **settings: Any
) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        assert reason not in PROOFS
        PROOFS[reason] = Proof(act, handler, {"profiles": QUICK, **settings})
        return act

    return keep


def session_of(gateway: RunningGateway) -> Session:
    session = gateway.node.registry.by_device(DEVICE_ID)
    assert session is not None
    return session


async def refused(gateway: RunningGateway, sent: bytes) -> int:
    """Send a request, and return the status of its answer."""
    async with tcp(gateway.port) as peer:
        await peer.send(sent)
        status, _ = await peer.answer()
        return status


# -- by the device -------------------------------------------------------------------------


@proves(CloseReason.DEVICE_CLOSED)
async def hangs_up(gateway: RunningGateway) -> None:
    async with live(gateway.port) as peer:
        peer.fin()
        await peer.end()


@proves(CloseReason.DEVICE_SAID_CLOSE)
async def closes_politely(gateway: RunningGateway) -> None:
    async with live(gateway.port) as peer:
        await peer.send(close((1_000).to_bytes(2)))
        await peer.end()
    assert gateway.logged("device_disconnected")[0]["detail"] == "code 1000"


@proves(CloseReason.DEVICE_RESET)
async def tears_down(gateway: RunningGateway) -> None:
    async with live(gateway.port) as peer:
        peer.rst()
        await eventually(lambda: not gateway.node.registry)


# -- by the network: the kernel's word is made up, no kernel here loses anything -------------


async def loses(gateway: RunningGateway, number: int) -> None:
    async with live(gateway.port):
        connection = session_of(gateway).connection
        connection.connection_lost(OSError(number, "made up"))
        connection.transport.abort()


@proves(CloseReason.NETWORK_TIMEOUT)
async def times_out(gateway: RunningGateway) -> None:
    await loses(gateway, errno.ETIMEDOUT)


@proves(CloseReason.NETWORK_LOST)
async def is_unreachable(gateway: RunningGateway) -> None:
    await loses(gateway, errno.EHOSTUNREACH)


# -- by us, after the upgrade --------------------------------------------------------------


@proves(
    CloseReason.HEARTBEAT_TIMEOUT,
    heartbeat={"interval_s": 1, "suspicious_s": 1.5, "zombie_s": 2, "probe_min_s": 0.2},
)
async def falls_silent(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        return await peer.close_code()


@proves(CloseReason.HELLO_TIMEOUT, profiles=IMPATIENT)
async def never_says_hello(gateway: RunningGateway) -> int | None:
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        assert (await peer.answer())[0] == 101
        return await peer.close_code()


@proves(CloseReason.HELLO_INVALID)
async def says_something_else_first(gateway: RunningGateway) -> int | None:
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        await peer.answer()
        await peer.send(text('{"type":"listen","state":"start"}'))
        return await peer.close_code()


async def sends(gateway: RunningGateway, frame: bytes) -> int | None:
    async with live(gateway.port) as peer:
        await peer.send(frame)
        return await peer.close_code()


@proves(CloseReason.PROTOCOL_ERROR)
async def forgets_to_mask(gateway: RunningGateway) -> int | None:
    return await sends(gateway, b"\x81\x02hi")


@proves(CloseReason.INVALID_DATA)
async def sends_text_that_is_none(gateway: RunningGateway) -> int | None:
    return await sends(gateway, bytes((0x81, 0x81, 0, 0, 0, 0, 0xFF)))


@proves(CloseReason.MESSAGE_TOO_BIG)
async def announces_too_much(gateway: RunningGateway) -> int | None:
    return await sends(gateway, b"\x82\xff" + (2**40).to_bytes(8) + bytes(4))


@proves(CloseReason.FLOODING, wire={"control_frames_per_s": 5})
async def pings_too_often(gateway: RunningGateway) -> int | None:
    return await sends(gateway, ping() * 20)


class Hung(Handler):
    async def text(self, session: Session, message: object) -> None:
        await asyncio.sleep(3_600)


@proves(
    CloseReason.INBOX_OVERFLOW,
    Hung,
    inbox={"control_messages": 4},
    session={"closed_timeout_s": 0.1},
)
async def says_more_than_anybody_hears(gateway: RunningGateway) -> int | None:
    return await sends(gateway, text('{"type":"custom","payload":1}') * 8)


async def fill(session: Session) -> None:
    """Send until neither the device nor any kernel on the way takes more."""
    for _ in range(3_000):
        session.connection.send(frames.binary_frame(FRAME), audio=True)
        if session.connection.outbox is not None:
            await asyncio.sleep(0.001)
            if session.connection.outbox is not None:
                return
    raise AssertionError("it takes whatever comes")


async def does_not_read(gateway: RunningGateway, then: Callable[[Session], None]) -> None:
    async with live(gateway.port, receive_buffer_bytes=SMALL):
        session = session_of(gateway)
        await fill(session)
        then(session)
        await eventually(lambda: not gateway.node.registry)


@proves(CloseReason.OUTBOX_OVERFLOW, outbox={"control_messages": 4})
async def is_told_more_than_it_reads(gateway: RunningGateway) -> int | None:
    def tell(session: Session) -> None:
        for _ in range(5):
            session.send_text("important")

    await does_not_read(gateway, tell)
    return CloseReason.OUTBOX_OVERFLOW.code  # it never reads its code either


@proves(CloseReason.SLOW_READER, outbox={"stuck_after_s": 0.5}, heartbeat={"interval_s": 1})
async def stops_reading(gateway: RunningGateway) -> int | None:
    await does_not_read(gateway, lambda _: None)
    return CloseReason.SLOW_READER.code  # as above


@proves(CloseReason.REPLACED)
async def connects_again(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as older, live(gateway.port):
        code = await older.close_code()
        await older.end()
        await eventually(lambda: gateway.logged("device_disconnected"))
        [ending] = await gateway.endings()
        assert (ending["claim"], ending["newer_claim"]) == (1, 2)
        return code


@proves(CloseReason.TOKEN_EXPIRED, auth={"expiry_grace_s": 0})
async def outlives_its_token(gateway: RunningGateway) -> int | None:
    class Brief:
        async def judge(self, request: object) -> Identity:
            return Identity(DEVICE_ID, "client-1", time.time() + 1.0)

    gateway.node.gate.authenticator = Brief()
    async with live(gateway.port) as peer:
        return await peer.close_code()


class Hangs(Handler):
    def text(self, session: Session, message: object) -> None:
        session.close()


class Fails(Handler):
    def text(self, session: Session, message: object) -> None:
        raise KeyError("a fault of the application")


@proves(CloseReason.HANDLER_CLOSED, Hangs)
async def is_hung_up_on(gateway: RunningGateway) -> int | None:
    return await sends(gateway, text('{"type":"custom","payload":1}'))


@proves(CloseReason.HANDLER_FAILED, Fails)
async def meets_a_broken_handler(gateway: RunningGateway) -> int | None:
    return await sends(gateway, text('{"type":"custom","payload":1}'))


SAYS = '{"type":"custom","payload":1}'


@proves(
    CloseReason.HANDLER_TIMEOUT,
    Hung,
    isolation={"call_timeout_s": 0.3},
    session={"closed_timeout_s": 0.1},
)
async def meets_a_handler_that_hangs(gateway: RunningGateway) -> int | None:
    return await sends(gateway, text(SAYS))


class Busy(Handler):
    def text(self, session: Session, message: object) -> None:
        for _ in range(5):
            session.spawn(asyncio.sleep(3_600))


@proves(CloseReason.HANDLER_OVER_BUDGET, Busy, isolation={"tasks": 4})
async def meets_a_handler_that_wants_too_much(gateway: RunningGateway) -> int | None:
    return await sends(gateway, text(SAYS))


class Greedy(Handler):
    def text(self, session: Session, message: object) -> None:
        raise MemoryError


@proves(CloseReason.OUT_OF_MEMORY, Greedy)
async def meets_a_handler_without_memory(gateway: RunningGateway) -> int | None:
    return await sends(gateway, text(SAYS))


def make_one_of_two_kinds() -> Handler:
    return Fails()


@proves(CloseReason.HANDLER_SUSPENDED, isolation={"failing_devices": 1})
async def meets_one_of_two_kinds_that_fails(gateway: RunningGateway) -> int | None:
    async with live(gateway.port, "another"):  # whose kind works
        gateway.node.make_handler = make_one_of_two_kinds
        await sends(gateway, text(SAYS))
        async with tcp(gateway.port) as peer:
            await peer.send(request())
            assert (await peer.answer())[0] == 101
            await peer.send(text(HELLO))
            return await peer.close_code()


@proves(CloseReason.INTERNAL_ERROR)
async def meets_a_broken_gateway(gateway: RunningGateway) -> int | None:
    def fail() -> str:
        raise RuntimeError("a fault of ours")

    gateway.node.make_session_id = fail
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        await peer.answer()
        await peer.send(text(HELLO))
        return await peer.close_code()


# -- by an operator ------------------------------------------------------------------------


@proves(CloseReason.SERVER_SHUTDOWN)
async def is_there_when_the_gateway_leaves(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        await gateway.gateway.stop()
        return await peer.close_code()


@proves(
    CloseReason.SERVER_RESTART,
    profiles={"xiaozhi": {"close_timeout_s": 0.2, "reconnect": "fixed", "reconnect_s": 10}},
)
async def comes_back_by_itself_when_the_gateway_leaves(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        await gateway.gateway.stop()
        return await peer.close_code()


@proves(CloseReason.KICKED)
async def is_kicked(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        session_of(gateway).close(CloseReason.KICKED)
        return await peer.close_code()


@proves(CloseReason.REVOKED)
async def is_revoked(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        gateway.node.revoke(DEVICE_ID)
        return await peer.close_code()


# -- by us, in HTTP ------------------------------------------------------------------------


@proves(CloseReason.ANSWERED)
async def asks_for_its_configuration(gateway: RunningGateway) -> int:
    return await refused(gateway, request(OTA, "POST", **PLAIN, Content_Length="2") + b"{}")


PLAIN: dict[str, str | None] = {
    "Upgrade": None,
    "Connection": None,
    "Sec_WebSocket_Key": None,
    "Sec_WebSocket_Version": None,
    "Host": "127.0.0.1",
}


@proves(CloseReason.BAD_REQUEST)
async def speaks_no_http(gateway: RunningGateway) -> int:
    return await refused(gateway, b"GET / HTTP/1.1\r\n: nonsense\r\n\r\n")


@proves(CloseReason.UNAUTHORIZED)
async def shows_the_wrong_token(gateway: RunningGateway) -> int:
    return await refused(gateway, request(Authorization="Bearer wrong"))


@proves(CloseReason.FORBIDDEN)
async def calls_itself_what_is_no_id(gateway: RunningGateway) -> int:
    return await refused(gateway, request(Device_Id="no id"))


@proves(CloseReason.ORIGIN_REFUSED)
async def is_a_foreign_web_page(gateway: RunningGateway) -> int:
    return await refused(gateway, request(Origin="http://evil.example"))


@proves(CloseReason.NOT_FOUND)
async def asks_at_the_wrong_path(gateway: RunningGateway) -> int:
    return await refused(gateway, request("/elsewhere/"))


@proves(CloseReason.METHOD_NOT_ALLOWED)
async def asks_for_its_configuration_with_put(gateway: RunningGateway) -> int:
    return await refused(gateway, request(OTA, "PUT", **PLAIN))


@proves(CloseReason.HEAD_TIMEOUT, profiles=IMPATIENT)
async def never_ends_its_request(gateway: RunningGateway) -> int:
    return await refused(gateway, request()[:-2])


@proves(CloseReason.BODY_TOO_LARGE)
async def sends_too_large_a_body(gateway: RunningGateway) -> int:
    return await refused(gateway, request(OTA, "POST", **PLAIN, Content_Length="99999999"))


@proves(CloseReason.UPGRADE_REQUIRED)
async def does_not_ask_for_an_upgrade(gateway: RunningGateway) -> int:
    return await refused(gateway, request("/xiaozhi/v1/", "GET", **PLAIN))


@proves(CloseReason.RATE_LIMITED, auth={"device_failures": 1})
async def guesses_again(gateway: RunningGateway) -> int:
    await refused(gateway, request(Authorization="Bearer wrong"))
    return await refused(gateway, request(Authorization="Bearer wrong"))


@proves(
    CloseReason.ADDRESS_FULL,
    server={"connections_per_address": 1},
    proxy={"header": "forwarded", "trusted": ["127.0.0.1"]},
)
async def comes_from_where_too_many_come_from(gateway: RunningGateway) -> int:
    async with tcp(gateway.port) as first:
        await first.send(request(X_Forwarded_For=ABROAD))
        assert (await first.answer())[0] == 101
        return await refused(gateway, request(X_Forwarded_For=ABROAD, Device_Id="another"))


@proves(CloseReason.FLAPPING, flapping={"device_delay": 1, "device_deny": 2})
async def comes_and_goes_without_end(gateway: RunningGateway) -> int:
    async with live(gateway.port), live(gateway.port), live(gateway.port) as last:
        last.fin()
        await last.end()
        await eventually(lambda: gateway.counters.holds["device", "denied"] == 1)
        return await refused(gateway, request())


@proves(CloseReason.KICK_WAR, flapping={"kicks": 1})
async def fights_for_a_device(gateway: RunningGateway) -> int:
    async with AsyncExitStack() as all_of_them:
        for client in ("one", "another") * 2:
            peer = await all_of_them.enter_async_context(tcp(gateway.port))
            await peer.send(request(Client_Id=client) + text(HELLO))
            assert (await peer.answer())[0] == 101
            await peer.frame()
        async with there(peer):
            return await refused(gateway, request(Client_Id="one"))


@proves(CloseReason.HEAD_TOO_LARGE)
async def sends_too_large_a_head(gateway: RunningGateway) -> int:
    return await refused(gateway, request(X="x" * 100_000))


@proves(CloseReason.REFUSED_INTERNAL)
async def meets_a_broken_authenticator(gateway: RunningGateway) -> int:
    class Broken:
        async def judge(self, request: object) -> Identity:
            raise KeyError("a fault of the authenticator")

    gateway.node.gate.authenticator = Broken()
    return await refused(gateway, request())


@proves(
    CloseReason.AUTH_UNAVAILABLE,
    auth={"mode": "callback", "callback_url": "http://127.0.0.1:9/", "token": None},
)
async def cannot_be_judged_now(gateway: RunningGateway) -> int:
    return await refused(gateway, request())


@proves(
    CloseReason.UPSTREAM_UNAVAILABLE,
    auth={"mode": "upstream", "token": None},
    upstream={"urls": ["ws://127.0.0.1:9/"]},
)
async def finds_no_upstream_that_judges(gateway: RunningGateway) -> int:
    return await refused(gateway, request())


@proves(CloseReason.DRAINING)
async def comes_while_the_gateway_leaves(gateway: RunningGateway) -> int:
    gateway.node.draining = True
    return await refused(gateway, request())


@proves(CloseReason.HANDLER_UNAVAILABLE, Fails, isolation={"failing_devices": 1})
async def comes_for_a_handler_that_fails(gateway: RunningGateway) -> int:
    await sends(gateway, text(SAYS))
    return await refused(gateway, request())
