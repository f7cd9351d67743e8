"""What must hold of a node at every moment: counters equal sets, bounds are kept, all is released.

Unlike the oracle this looks into the gateway, and compares what it counts with what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from keepline.gateway.receiver import NOBODY
from keepline.gateway.session import Session
from keepline.lifecycle.states import State
from keepline.simulation.violation import ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.simulation.host import Arrival, Host, Life
    from keepline.simulation.oracle.oracle import Oracle
    from keepline.simulation.plug import Plug
    from keepline.simulation.transport import HostTransport

CLOSED_WITHIN_S: Final = 60.0
"""Within which a session whose connection is gone has been closed: four times `closed_timeout_s`,
the wait for a snapshot, and what its handler was at."""

ANSWERED_WITHIN_S: Final = 180.0
"""Within which a handler hears what was said to it: what is before it in its inbox takes time."""

IDLE_SLACK_S: Final = 0.5
BESIDE_SLACK_S: Final = 1.0
TASKS_OF_A_CLEANUP: Final = 2
UNCUT_S: Final = 120.0
ROUNDING_S: Final = 1e-4  # four bytes for each of them


def check_node(life: Life) -> None:
    """Compare whole sets. Raises ViolationError."""
    _check_registry(life)
    _check_counters(life)
    _check_wheel(life)
    _check_bounds(life)
    _check_tasks(life)
    _check_round_trips(life)


def check_ended(arrivals: Iterable[Arrival]) -> None:
    """Look at connections that have come to their end. Raises ViolationError."""
    for arrival in arrivals:
        door, who = arrival.door, f"connection {arrival.transport.number}"
        connection = door.connection
        if door.wheel_tick >= 0 or (connection is not None and connection.wheel_tick >= 0):
            raise ViolationError("timer", f"{who} is closed and armed in the wheel")
        if connection is not None and connection.receiver is not NOBODY:
            raise ViolationError("session", f"{who} is closed and still has a receiver")
        if connection is not None and connection.outbox is not None:
            raise ViolationError("session", f"{who} is closed and still has an outbox")


def check_promises(host: Host, oracle: Oracle, plugs: dict[str, Plug]) -> None:
    """Look at what handlers wait for. Raises ViolationError."""
    now = host.timeline.now
    life = host.life
    for puppet, ward in list(oracle.wards.items()):
        connection = puppet.session.connection
        who = puppet.device_id
        if ward.closed_at is not None:
            if now - ward.closed_at > BESIDE_SLACK_S:
                if ward.beside:
                    raise ViolationError(
                        "task", f"{who}: {ward.beside} tasks outlive their session"
                    )
                del oracle.wards[puppet]
            continue
        transport = cast("HostTransport", connection.transport)
        lost_at = transport.lost_at
        if lost_at is not None and now - lost_at > CLOSED_WITHIN_S + host.trouble_s(lost_at):
            raise ViolationError("cleanup", f"{who}: its connection is gone, and it is not closed")
        overdue = [due for due in ward.calls.values() if now - due > ANSWERED_WITHIN_S]
        if overdue and lost_at is None and not host.trouble_s(min(overdue)):
            raise ViolationError("timer", f"{who}: a call that was due at {overdue[0]} never came")
        _check_heard(host, oracle, plugs[who], ward.heard, transport)
        if life is not None and connection.lifecycle.state is State.ACTIVE:
            _check_idle(life, transport, who, ward.began_at)


def _check_heard(host: Host, oracle: Oracle, plug: Plug, heard: int, transport: object) -> None:
    """What a device has said long ago was heard, if nothing stood in its way."""
    tcp, device, now = plug.tcp, plug.device, host.timeline.now
    if tcp is None or tcp.host is not transport or not device.is_connected:
        return
    said_at = oracle.accounts[device.device_id].said_at
    since = max(said_at, plug.path.troubled_at)
    late = now - since > ANSWERED_WITHIN_S and device.words > heard
    if late and tcp.up.held_since is None and not host.trouble_s(said_at):
        raise ViolationError(
            "inbox", f"{device.device_id}: it said {device.words} words, {heard} were heard"
        )


def _check_idle(life: Life, transport: HostTransport, who: str, began_at: float) -> None:
    idle_after_s = life.node.idle_after_s
    data_at = max(transport.data_at, began_at)
    quiet_s = life.loop.time() - data_at - life.loop.stalled_s(data_at)
    if transport.is_heard and quiet_s > idle_after_s + IDLE_SLACK_S:
        raise ViolationError("idle", f"{who} is active after {quiet_s:.2f} s without data")


def _check_registry(life: Life) -> None:
    owners = {id(arrival.door.connection): arrival for arrival in life.arrivals.values()}
    for session in life.node.registry:
        if id(session.connection) not in owners:
            raise ViolationError("session", f"{session.device_id} has a session without a socket")
        if session.connection.receiver is not session:
            raise ViolationError("session", f"{session.device_id} has a session nobody writes to")
        if session.connection.lifecycle.state is State.CLOSED:
            raise ViolationError("session", f"{session.device_id} has a session that is closed")


def _check_counters(life: Life) -> None:
    node = life.node
    counters = node.counters
    told = sum(counters.disconnects.values())
    under_way = counters.connections_accepted - told
    if not 0 <= under_way <= len(life.arrivals):
        raise ViolationError(
            "counters",
            f"{counters.connections_accepted} accepted, {told} ended,"
            f" but {len(life.arrivals)} are there",
        )
    if counters.sessions_opened < len(node.registry):
        raise ViolationError("counters", "more sessions than were ever opened")
    places = node.arrivals.addresses._places  # noqa: SLF001 (nothing public counts them)
    entered = sum(place.connections for place in places.values())
    if entered > len(life.arrivals) or any(place.connections < 1 for place in places.values()):
        raise ViolationError("counters", f"{entered} in by address, {len(life.arrivals)} are there")
    arriving = sum(node.arrivals.arriving.values())
    if arriving > len(node.arrivals.admissions) + len(node.arrivals.turned_away):
        raise ViolationError("counters", f"{arriving} places are kept for nobody")


def _check_wheel(life: Life) -> None:
    armed = 0
    for arrival in life.arrivals.values():
        armed += arrival.door.wheel_tick >= 0
        connection = arrival.door.connection
        if connection is None:
            continue
        armed += connection.wheel_tick >= 0
        state = connection.lifecycle.state
        if connection.wheel_tick < 0 and state in {State.ACTIVE, State.IDLE, State.DISCONNECTING}:
            raise ViolationError(
                "timer", f"connection {arrival.transport.number} is {state} and never looked at"
            )
    if armed != life.node.wheel.armed:
        raise ViolationError("timer", f"{life.node.wheel.armed} armed, {armed} can be found")


def _check_bounds(life: Life) -> None:
    node = life.node
    settings = node.settings
    if len(node.arrivals.admissions) > settings.server.max_admissions:
        raise ViolationError("bounds", f"{len(node.arrivals.admissions)} admissions")
    inbox, outbox = settings.inbox, settings.outbox
    most_in = inbox.audio_frames + inbox.control_messages
    most_out = outbox.audio_frames + outbox.control_messages
    for session in node.registry:
        waiting = session._inbox  # noqa: SLF001 (nothing public tells its length)
        if waiting is not None and len(waiting) > most_in:
            raise ViolationError("bounds", f"{session.device_id}: {len(waiting)} wait for it")
        frames = session.connection.outbox
        if frames is not None and len(frames) > most_out:
            raise ViolationError("bounds", f"{session.device_id}: {len(frames)} wait to be sent")


def _check_tasks(life: Life) -> None:
    """Every task has an owner who knows of it."""
    node = life.node
    owned: set[object] = {*node.arrivals.admissions, *node.arrivals.turned_away, *node.cleanups}
    for arrival in life.arrivals.values():
        connection = arrival.door.connection
        session = None if connection is None else connection.receiver
        if not isinstance(session, Session):
            continue
        if session._worker is not None:  # noqa: SLF001 (nothing public tells them)
            owned.add(session._worker)  # noqa: SLF001
        if session._beside is not None:  # noqa: SLF001
            owned |= session._beside.tasks  # noqa: SLF001
    if life.is_leaving:
        return  # a stop has tasks of its own, and is looked at when it is over
    owned |= life.own
    unowned = [
        task for task in life.loop.tasks if not (task in owned or task.done() or task.cancelling())
    ]
    most = TASKS_OF_A_CLEANUP * len(node.cleanups)
    if len(unowned) > most:
        raise ViolationError("task", f"{len(unowned)} tasks are nobody's: {unowned[0]!r}")


def _check_round_trips(life: Life) -> None:
    """Only the pong of the latest ping gives a round trip; stalls are taken off it."""
    if life.loop.stalls:
        return
    for arrival in life.arrivals.values():
        connection, measured_s = arrival.door.connection, arrival.transport.round_trip_s
        path = arrival.transport.tcp.path
        if path.conditions.cuts or path.blocked_until > life.loop.time() - UNCUT_S:
            continue  # a pong in parts, or in one part with others, is not recognised
        trips = None if connection is None else connection.heartbeat.round_trips
        if trips is None or measured_s is None:
            continue
        if abs(trips.latest - measured_s) > ROUNDING_S + measured_s * ROUNDING_S:
            raise ViolationError(
                "rtt",
                f"connection {arrival.transport.number}: {trips.latest:.4f} s noted,"
                f" {measured_s:.4f} s measured",
            )


def check_left(life: Life) -> None:
    """Look at a process that has left in order: nothing is left. Raises ViolationError."""
    node, loop = life.node, life.loop
    counters = node.counters
    told = sum(counters.disconnects.values())
    left = {
        "sessions": len(node.registry),
        "places by address": len(node.arrivals.addresses),
        "places kept": len(node.arrivals.arriving),
        "armed": node.wheel.armed,
        "tasks": len(loop.tasks),
        "timers": len(loop.timers),
        "records on their way": len(node.memory),
        "connections not told of": counters.connections_accepted - told,
        "failed cleanups": counters.cleanup_failures,
    }
    if any(left.values()):
        told_of = ", ".join(f"{count} {what}" for what, count in left.items() if count)
        raise ViolationError("left over", f"after it has stopped: {told_of}")
