"""From an accepted socket to a live session: read the request, judge it, upgrade, await hello."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.errors import HandlerError, HelloError, PeerError, RefusedError
from keepline.gateway.auth.credentials import header_or_query
from keepline.gateway.greeting import Greeting
from keepline.gateway.opening import Opening
from keepline.gateway.paths import DEVICE_PATH, ENROLMENT_PATHS
from keepline.lifecycle.states import Event, State
from keepline.reasons import CloseReason
from keepline.wire.hello import asked_version, settle_version

if TYPE_CHECKING:
    from keepline.gateway.deadlines import Deadline
    from keepline.gateway.door import Door
    from keepline.gateway.identity import Identity
    from keepline.gateway.node import Node
    from keepline.hub.port import Claim
    from keepline.lifecycle.profile import Profile
    from keepline.wire.handshake import Request


async def admit(door: Door) -> None:
    """One device from its accept to a live session, under one deadline.

    Before the upgrade every refusal is an HTTP answer, which a device understands at once;
    afterwards it is a Close. Cancelled at shutdown, which refuses with 503.
    """
    node = door.node
    greeting = Greeting(node.hellos, node.loop)
    try:
        with node.arrivals.deadlines.begin() as deadline:
            await door.open()
            request = await door.request()
            if request.path.rstrip("/") in ENROLMENT_PATHS:
                door.answer(await _configuration(node, request))
                return
            asked = _check(node, request)
            if node.arrivals.holds_some:
                await node.arrivals.hold(door, request, deadline)
            identity = await _judge(door, request, deadline)
            if node.arrivals.flapping.kicks.wars:
                await node.arrivals.flapping.check_war(door, identity, deadline)
            greeting.device_id = identity.device_id
            with node.arrivals.place(identity.device_id):
                profile = node.profiles.of(request, identity)
                _reschedule(deadline, node.profiles.default, profile)
                connection = door.upgrade(request, greeting, profile)
                door.pass_early_on()
                hello = await greeting.hello()
                claim = await _claim(node, identity.device_id)
        # From here on nothing is awaited, so nothing can come between.
        opening = Opening(request, greeting.said)
        session = node.open_session(
            connection, identity, settle_version(hello, asked), claim, opening
        )
        node.counters.handshake.observe(deadline.spent_s(profile.hello_timeout_s))
        greeting.pass_on(session)
    except RefusedError as error:
        _forget_the_way(error)
        door.refuse(error)
    except TimeoutError:
        give_up_late(door)
    except HelloError as error:
        _forget_the_way(error)
        door.give_up(CloseReason.BAD_REQUEST, error.reason, error.detail)
    except PeerError as error:
        _forget_the_way(error)
        door.drop(error)
    except ConnectionError as error:
        # The device has left; its connection, if it had one, cleans up by itself.
        _forget_the_way(error)
    except asyncio.CancelledError:
        door.give_up(CloseReason.DRAINING, CloseReason.SERVER_SHUTDOWN)
        raise
    except HandlerError as error:
        node.isolation.not_begun(error, greeting.device_id, door.address)
        door.give_up(CloseReason.REFUSED_INTERNAL, error.reason)
    except Exception as error:  # noqa: BLE001 (a fault of ours ends one admission: a fence)
        reason = node.isolation.faults.of_ours(error, "admission_failed", greeting.device_id)
        door.give_up(CloseReason.REFUSED_INTERNAL, reason)


async def _claim(node: Node, device_id: str) -> Claim:
    """Have the hub give the device to this connection; its session may then be opened at once.

    Raises what the hub raises. The hub may answer many at once, so a claim waits for its turn; a
    device that leaves meanwhile gives it back.
    """
    node.departures.hasten(device_id)  # what it leaves is asked for next
    crowd = node.governor.crowd
    crowd.claiming += 1
    try:
        claim = await node.memory.claim(device_id, node.make_session_id())
        try:
            await crowd.opening()
        except BaseException:
            node.memory.give_back(claim)
            raise
    finally:
        crowd.claiming -= 1
    return claim


def _reschedule(deadline: Deadline, before: Profile, after: Profile) -> None:
    """Have the one deadline be what the device's own profile makes of it."""
    if after.hello_timeout_s != before.hello_timeout_s:
        deadline.reschedule(deadline.when() - before.hello_timeout_s + after.hello_timeout_s)


def _forget_the_way(error: Exception) -> None:
    """Drop the traceback of an error that a future brought.

    It leads to the door or the greeting, and by their future back to the error: each device that
    leaves early would be left to the cycle collector, with all it held.
    """
    error.__traceback__ = None


def _check(node: Node, request: Request) -> int:
    """Return the audio version that is asked for. Raises RefusedError."""
    if request.path.rstrip("/") != DEVICE_PATH:
        raise RefusedError(f"devices connect at {DEVICE_PATH}/", CloseReason.NOT_FOUND)
    if not request.is_upgrade:
        raise RefusedError("a WebSocket upgrade is expected", CloseReason.UPGRADE_REQUIRED)
    asked = asked_version(header_or_query(request, "protocol-version"))
    node.arrivals.check_open()
    node.governor.newcomers.check_room(request)
    node.isolation.suspensions.check_open(request.address)
    return asked


async def _configuration(node: Node, request: Request) -> bytes:
    """Ask the enrolment; raises RefusedError, 500 for whatever else it raises."""
    if node.enrolment is None:
        raise RefusedError("no configuration is given here", CloseReason.NOT_FOUND)
    try:
        return await node.enrolment.answer(request, node.port)
    except RefusedError:
        raise
    except Exception as error:  # noqa: BLE001 (a fault of ours must not pass for the device's)
        node.isolation.faults.of_ours(error, "configuration_failed")
        raise RefusedError("the configuration failed", CloseReason.REFUSED_INTERNAL) from None


async def _judge(door: Door, request: Request, deadline: Deadline) -> Identity:
    """Ask the authenticator, when its turn comes; cancelled when the device leaves meanwhile.

    Raises RefusedError, 503 for who has waited too long, 500 for whatever else an authenticator
    raises, ConnectionResetError, and TimeoutError for an answer after the deadline.
    """
    turnstile = door.node.governor.turnstile
    with turnstile.free() or await turnstile.wait(door, request, deadline):
        identity = await _ask(door, request)
    deadline.check()  # an authenticator may swallow that it was cancelled
    return identity


async def _ask(door: Door, request: Request) -> Identity:
    node = door.node
    door.advance(Event.REQUEST_ACCEPTED)
    door.judging = asyncio.current_task()
    try:
        return await node.gate.judge(request)
    except RefusedError:
        raise
    except asyncio.CancelledError:
        if door.lifecycle.state is not State.CLOSED:
            raise  # the deadline, or we leave
        raise ConnectionResetError("left while it was judged") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (authenticators are outside code: a fence)
        # A ConnectionError or TimeoutError of its own must not pass for the device's.
        node.isolation.faults.of_ours(error, "admission_failed")
        raise RefusedError("the authenticator failed", CloseReason.REFUSED_INTERNAL) from None
    finally:
        door.judging = None


def give_up_late(door: Door) -> None:
    """The deadline is over: say whose time it was."""
    if door.is_judged:
        door.node.log.warning("authenticator_too_slow")
        door.give_up(CloseReason.AUTH_UNAVAILABLE, CloseReason.HELLO_TIMEOUT)
    else:
        door.give_up(CloseReason.HEAD_TIMEOUT, CloseReason.HELLO_TIMEOUT)
