from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from keepline.errors import RefusedError
from keepline.gateway.door import Door
from keepline.gateway.governor.crowd import Crowd, Step
from keepline.gateway.identity import Identity
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from tests.unit.gateway.fakes import KEY, TOKEN, FakeTransport, World, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from keepline.wire.handshake import Request

HELLO = encode_masked(Opcode.TEXT, b'{"type":"hello","version":1}', KEY)
AUDIO = encode_masked(Opcode.BINARY, b"opus", KEY)
NO_HELLO = encode_masked(Opcode.TEXT, b"{}", KEY)


def head(path: str = "/xiaozhi/v1/", **changes: str | None) -> bytes:
    """Return a device's upgrade request; None leaves a header out."""
    headers: dict[str, str | None] = {
        "Host": "gateway",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Authorization": f"Bearer {TOKEN}",
        "Device-Id": "device-1",
        "Client-Id": "client-1",
        "Protocol-Version": "1",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


async def no_way(door: Door) -> None:
    """The test has opened it already."""


class Entrance:
    """A socket that has just been accepted."""

    def __init__(self, world: World) -> None:
        self.transport = FakeTransport()
        self.door = Door(world.node, no_way)
        self.door.connection_made(self.transport)
        world.node.arrivals.begin(self.door)

    @property
    def protocol(self) -> Any:
        return self.transport.protocol or self.door

    async def gets(self, data: bytes) -> None:
        await settle()
        self.protocol.data_received(data)
        await settle()

    async def loses_tcp(self) -> None:
        self.transport.closed = self.transport.gone = True
        self.protocol.connection_lost(None)
        await settle()

    @property
    def status(self) -> int | None:
        answer = b"".join(self.transport.written)
        return int(answer.split(b" ", 2)[1]) if answer else None

    @property
    def answer(self) -> str:
        return b"".join(self.transport.written).decode()


class Judge:
    """Decides when it is told to, or raises what it is told to make."""

    def __init__(self, fail: Callable[[], Exception] | None = None) -> None:
        self.fail = fail
        self.go = asyncio.Event()

    async def judge(self, request: Request) -> Identity:
        await self.go.wait()
        if self.fail is not None:
            raise self.fail()
        return Identity("device-1", "client-1")


@pytest_asyncio.fixture(autouse=True)
async def complaints() -> AsyncIterator[None]:
    """Nothing may end with the loop, which is told of what nobody has caught."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    yield
    gc.collect(1)
    assert told == []


async def test_a_device_is_let_in_and_its_session_opened() -> None:
    world = World()
    entrance = Entrance(world)
    await entrance.gets(head())
    assert entrance.status == 101
    await entrance.gets(HELLO)
    assert world.counters.sessions_opened == 1
    assert not world.node.arrivals.admissions


async def test_the_mark_at_which_a_device_counts_as_slow_is_a_setting() -> None:
    entrance = Entrance(World(outbox={"high_water_bytes": 12_345}))
    await entrance.gets(head())
    assert entrance.transport.limits[0] == 12_345


async def test_a_head_in_single_bytes_is_as_good_as_in_one() -> None:
    world = World()
    entrance = Entrance(world)
    for byte in head():
        entrance.protocol.data_received(bytes((byte,)))
    await entrance.gets(b"")
    assert entrance.status == 101


async def test_frames_behind_the_request_are_not_lost() -> None:
    world = World()
    entrance = Entrance(world)
    await entrance.gets(head() + HELLO + AUDIO)
    (session,) = world.node.registry
    assert session.handler.names == ["opened", "audio"]  # type: ignore[attr-defined]


async def test_frames_that_come_while_it_is_judged_are_not_lost() -> None:
    judge = Judge()
    world = World(authenticator=judge)
    entrance = Entrance(world)
    await entrance.gets(head())
    await entrance.gets(HELLO)
    await entrance.gets(AUDIO)
    assert entrance.status is None
    judge.go.set()
    await settle()
    assert entrance.status == 101
    (session,) = world.node.registry
    assert session.handler.names == ["opened", "audio"]  # type: ignore[attr-defined]


async def test_who_sends_too_much_before_its_answer_is_not_read_until_then() -> None:
    judge = Judge()
    world = World(authenticator=judge, wire={"head_bytes": 1_024})
    entrance = Entrance(world)
    await entrance.gets(head())
    await entrance.gets(HELLO + encode_masked(Opcode.BINARY, bytes(2_000), KEY))
    assert not entrance.transport.reading
    judge.go.set()
    await settle()
    assert entrance.transport.reading
    assert world.counters.audio_in == 1


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(Authorization=None), 401),
        (head(Authorization="Bearer wrong"), 401),
        (head(Device_Id=None), 403),
        (head(Device_Id="not an id"), 403),
        (head("/elsewhere"), 404),
        (head("/xiaozhi/v1/more"), 404),
        (head(Upgrade=None, Connection=None, Sec_WebSocket_Key=None), 426),
        (head(Sec_WebSocket_Version="8"), 426),
        (head(Sec_WebSocket_Key="short"), 400),
        (head(Protocol_Version="9"), 400),
        (head(Host=None), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400),
        (head(Filler="x" * 9_000), 431),
    ],
)
async def test_who_is_not_let_in_hears_it_in_http(request_head: bytes, status: int) -> None:
    world = World()
    entrance = Entrance(world)
    await entrance.gets(request_head)
    assert entrance.status == status
    assert entrance.transport.ended
    await entrance.gets(bytes(20_000))
    assert entrance.transport.reading  # closing over what is unread would lose the answer
    assert "Connection: close" in entrance.answer
    assert sum(world.counters.disconnects.values()) == 1
    await entrance.loses_tcp()
    assert entrance.door.lifecycle.state is State.CLOSED
    assert world.node.wheel.armed == 0


async def test_a_path_is_good_with_and_without_its_slash() -> None:
    entrance = Entrance(World())
    await entrance.gets(head("/xiaozhi/v1"))
    assert entrance.status == 101


async def test_a_refusal_that_is_not_taken_is_not_waited_for_longer_than_the_bound() -> None:
    world = World(profiles={"xiaozhi": {"close_timeout_s": 2}})
    entrance = Entrance(world)
    await entrance.gets(head("/elsewhere"))
    world.pass_time(1.8)
    assert not entrance.transport.aborted
    world.pass_time(0.4)
    assert entrance.transport.aborted


@pytest.mark.parametrize("kind", [RuntimeError, ConnectionRefusedError, TimeoutError, SystemExit])
async def test_an_authenticator_that_fails_is_our_failure(kind: type[Exception]) -> None:
    judge = Judge(lambda: kind("our database"))
    judge.go.set()
    world = World(authenticator=judge)
    entrance = Entrance(world)
    await entrance.gets(head())
    assert entrance.status == 500
    assert "our database" not in entrance.answer
    assert len(world.logged("admission_failed")) == 1


async def test_an_authenticator_may_refuse_as_it_likes() -> None:
    judge = Judge(lambda: RefusedError("ask again", CloseReason.FULL, retry_after_s=3))
    judge.go.set()
    entrance = Entrance(World(authenticator=judge))
    await entrance.gets(head())
    assert entrance.status == 503
    assert "Retry-After: 3" in entrance.answer


async def test_a_device_that_leaves_while_it_is_judged_leaves_nothing() -> None:
    judge = Judge()
    world = World(authenticator=judge)
    entrance = Entrance(world)
    await entrance.gets(head())
    (admission,) = world.node.arrivals.admissions
    await entrance.loses_tcp()  # which cancels who judges, nothing else would end it
    assert admission.done()
    await admission  # and does not raise
    assert entrance.status is None
    assert entrance.door.lifecycle.state is State.CLOSED
    assert world.node.wheel.armed == 0


async def test_too_many_handshakes_at_once_are_refused_and_not_let_pile_up() -> None:
    world = World(server={"port": 0, "max_admissions": 2})
    first, second, third = Entrance(world), Entrance(world), Entrance(world)
    await third.gets(head())
    assert third.status == 503
    assert "Retry-After: 10" in third.answer
    assert len(world.node.arrivals.admissions) == 2
    silent = Entrance(world)
    await silent.loses_tcp()
    assert silent.status is None
    await first.gets(head() + HELLO)
    fourth = Entrance(world)
    await fourth.gets(head())
    assert fourth.status == 101
    await second.loses_tcp()


async def test_a_storm_of_handshakes_cannot_pass_the_limit_together() -> None:
    world = World(server={"port": 0, "max_connections": 2})
    entrances = [Entrance(world) for _ in range(5)]
    for number, entrance in enumerate(entrances):
        await entrance.gets(head(Device_Id=f"device-{number}"))
    assert [entrance.status for entrance in entrances] == [101, 101, 503, 503, 503]
    await entrances[0].loses_tcp()  # before its hello
    late = Entrance(world)
    await late.gets(head(Device_Id="late") + HELLO)
    assert late.status == 101
    await entrances[1].gets(HELLO)
    assert len(world.node.registry) == 2
    assert not world.node.arrivals.arriving


async def test_who_is_judged_slowly_cannot_pass_the_limit_either() -> None:
    judge = Judge()
    world = World(authenticator=judge, server={"port": 0, "max_connections": 1})
    entrances = [Entrance(world) for _ in range(3)]
    for entrance in entrances:
        await entrance.gets(head())
    judge.go.set()
    await settle()
    assert [entrance.status for entrance in entrances] == [101, 503, 503]


async def test_who_is_turned_away_is_answered_when_it_asks_or_at_the_bound() -> None:
    world = World(
        server={"port": 0, "max_admissions": 1}, profiles={"xiaozhi": {"close_timeout_s": 1}}
    )
    Entrance(world)
    asks, silent = Entrance(world), Entrance(world)
    assert asks.status is None  # some clients fail on an answer that comes before they ask
    await asks.gets(head()[:10])
    assert asks.status == 503
    world.pass_time(1.2)
    await settle()
    assert silent.status == 503
    assert not silent.transport.aborted
    world.pass_time(1.2)
    assert silent.transport.aborted
    assert world.counters.disconnects[CloseReason.FULL] == 2
    assert world.node.wheel.armed == 0


async def test_who_is_turned_away_and_is_not_even_at_its_http_is_dropped_at_the_bound() -> None:
    world = World(profiles={"xiaozhi": {"close_timeout_s": 1}})
    ways: list[Door] = []

    async def endless(door: Door) -> None:
        ways.append(door)
        try:
            await asyncio.Event().wait()
        finally:
            ways.remove(door)

    world.node.draining = True
    door = Door(world.node, endless)
    world.node.arrivals.begin(door)
    await settle()
    assert ways == [door]
    world.pass_time(1.2)
    await settle()
    assert not ways
    assert not world.node.arrivals.turned_away
    assert world.counters.disconnects[CloseReason.DRAINING] == 1
    world.pass_time(3)
    assert not world.logged("deadline_failed")
    assert world.node.wheel.armed == 0


async def test_a_fault_at_the_deadline_of_a_door_that_is_not_open_is_told() -> None:
    world = World()
    world.node._on_fault(Door(world.node, no_way), ZeroDivisionError())
    assert len(world.logged("deadline_failed")) == 1


async def test_who_is_gone_before_it_is_told_that_it_is_turned_away_leaves_no_complaint() -> None:
    world = World()
    world.node.draining = True
    door = Door(world.node, no_way)
    door.turn_away(RefusedError("not now", CloseReason.DRAINING))
    door.connection_made(FakeTransport())
    door.data_received(head())
    door.connection_lost(None)
    del door  # the loop would be told of the error that nobody has asked for


async def test_a_handshake_under_way_is_refused_when_we_leave() -> None:
    world = World()
    entrance = Entrance(world)
    await entrance.gets(head()[:50])
    (admission,) = world.node.arrivals.admissions
    admission.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admission
    assert entrance.status == 503
    assert "Retry-After: 10" in entrance.answer


async def test_a_socket_accepted_while_we_leave_is_refused() -> None:
    world = World()
    world.node.draining = True
    entrance = Entrance(world)
    await entrance.gets(head())
    assert entrance.status == 503
    assert "Retry-After: 10" in entrance.answer
    assert world.counters.disconnects[CloseReason.DRAINING] == 1


async def test_a_judge_beyond_the_deadline_is_unavailable_and_not_the_device_slow() -> None:
    world = World(authenticator=Judge(), profiles={"xiaozhi": {"hello_timeout_s": 0.05}})
    entrance = Entrance(world)
    await entrance.gets(head())
    await asyncio.gather(*world.node.arrivals.admissions)
    assert entrance.status == 503
    assert "Retry-After: 10" in entrance.answer
    assert world.counters.disconnects[CloseReason.AUTH_UNAVAILABLE] == 1
    assert world.counters.disconnects[CloseReason.HEAD_TIMEOUT] == 0
    assert len(world.logged("authenticator_too_slow")) == 1


async def test_leaving_and_the_stop_in_the_same_turn_end_an_admission_once() -> None:
    world = World(authenticator=Judge())
    entrance = Entrance(world)
    await entrance.gets(head())
    (admission,) = world.node.arrivals.admissions
    admission.cancel()
    entrance.transport.closed = entrance.transport.gone = True
    entrance.door.connection_lost(None)
    await asyncio.gather(admission, return_exceptions=True)
    assert entrance.status is None
    assert world.counters.disconnects[CloseReason.DEVICE_CLOSED] == 1
    assert sum(world.counters.disconnects.values()) == 1
    assert not world.node.arrivals.admissions


async def test_one_deadline_runs_from_accept_to_hello() -> None:
    world = World(profiles={"xiaozhi": {"hello_timeout_s": 0.05}})
    silent, half, upgraded = Entrance(world), Entrance(world), Entrance(world)
    await half.gets(head()[:50])
    await upgraded.gets(head())
    await asyncio.gather(*world.node.arrivals.admissions)
    assert silent.status == half.status == 408
    assert upgraded.status == 101
    assert upgraded.door.lifecycle.reason is CloseReason.HELLO_TIMEOUT


async def test_a_first_message_that_is_no_hello_is_closed_with_1008() -> None:
    world = World()
    entrance = Entrance(world)
    await entrance.gets(head())
    entrance.transport.written.clear()
    await entrance.gets(AUDIO)
    assert entrance.transport.close_code == 1008
    assert entrance.door.lifecycle.reason is CloseReason.HELLO_INVALID
    assert not world.node.arrivals.admissions


@pytest.mark.parametrize(
    "sent", [[b"no HTTP\r\n\r\n"], [head()[:50]], [head()], [head(), AUDIO], [head(), NO_HELLO]]
)
async def test_who_does_not_come_in_is_not_left_to_the_cycle_collector(sent: list[bytes]) -> None:
    world = World(profiles={"xiaozhi": {"close_timeout_s": 0.1}})
    gc.collect()
    gc.disable()
    try:
        entrance = Entrance(world)
        for data in sent:
            await entrance.gets(data)
        await entrance.loses_tcp()
        world.pass_time(1.0)
        del entrance
        assert not [kept for kept in gc.get_objects() if type(kept) is Door]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "error",
    [RuntimeError, ConnectionRefusedError, TimeoutError, SystemExit, asyncio.CancelledError],
)
async def test_a_handler_that_cannot_be_made_is_closed_with_1011(
    error: type[BaseException],
) -> None:
    def broken() -> Any:
        raise error("no handler")

    world = World(make_handler=broken)
    entrance = Entrance(world)
    await entrance.gets(head())
    entrance.transport.written.clear()
    await entrance.gets(HELLO)
    assert entrance.transport.close_code == 1011
    assert entrance.door.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert world.counters.handler_failures == 1
    assert len(world.node.registry) == 0


async def test_a_full_node_tells_nobody_without_a_token_which_devices_it_holds() -> None:
    world = World(server={"port": 0, "max_connections": 1})
    held = world.connect().session.device_id
    answers = []
    for device_id in (held, "unknown"):
        entrance = Entrance(world)
        await entrance.gets(head(Device_Id=device_id, Authorization="Bearer wrong"))
        answers.append(entrance.status)
    assert answers == [401, 401]


async def test_who_is_turned_out_before_its_session_is_opened_gives_its_claim_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    older = world.connect("device-1")
    monkeypatch.setattr(Crowd, "left", lambda _, step: step is not Step.OPEN)
    crowd = world.node.governor.crowd
    newer = Entrance(world)
    await newer.gets(head())
    await newer.gets(HELLO)
    assert crowd.claiming == 1
    await world.node.arrivals.give_up(world.node.arrivals.admissions)
    assert crowd.claiming == 0
    await older.session.save(b"still mine")
