"""What one node does about those that come and go without end, and whom it holds up just now."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from itertools import chain, islice
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import json

from keepline.errors import RefusedError
from keepline.gateway.auth.credentials import ID_CHARACTERS, shown_device_id
from keepline.gateway.flapping.contest import is_heard, may_answer, patience_s
from keepline.gateway.flapping.kicks import Kicks
from keepline.gateway.flapping.ladder import Ladder, Rungs, Standing, Step
from keepline.gateway.registry import folded
from keepline.gateway.throttle import address_key
from keepline.lifecycle.states import State
from keepline.monitor.alerts.incidents import Fact, Incident
from keepline.reasons import Advice, CloseReason, Initiator
from keepline.settings.flapping import SHORTEST_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.deadlines import Deadline
    from keepline.gateway.door import Door
    from keepline.gateway.endings import Ending
    from keepline.gateway.flapping.kicks import War
    from keepline.gateway.identity import Identity
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session
    from keepline.wire.handshake import Request

KINDS: Final = ("device", "address", "kick_war")
MOST_WAITING: Final = 256
"""So many are held at once, of the handshakes that may be under way; more are refused."""

NAMED: Final = 3
"""Devices at odds that an alert names."""

CROWD_S: Final = 10.0
"""Where more connections live than calm down in this time, each of them weighs less."""

ITS_OWN_DOING: Final = frozenset(
    reason
    for reason in CloseReason
    if reason.status is None
    and (
        reason.initiator in {Initiator.DEVICE, Initiator.NETWORK}
        or (reason.initiator is Initiator.US and reason.advice is Advice.STAY_AWAY)
    )
)
"""A short life counts when the device or its network ended it, or its own faults did."""

NO_CONVERSATION_S: Final = 2.0
"""What was over so soon was no conversation: it counts for the device, whoever ended it."""


class Held(NamedTuple):
    """Somebody that is held up: a device at an address, an address, or a device at odds.

    Times are attentive; `until` is None where it depends on how calm it keeps. `times` are short
    lives and refusals, or kicks. Of an address `device_id` is empty, of a war `address`.
    """

    kind: str
    device_id: str
    address: str
    step: Step
    times: int
    since: float
    until: float | None


class Flapping:
    """Graduated: a wait before the upgrade, then a refusal, then a ban. It releases by itself.

    A device is counted at its address: who knows its id cannot lock it out from elsewhere, and its
    neighbours behind a NAT stand on ladders of their own. What is refused counts for the device
    alone, so that one of them cannot use up what its address may.
    """

    __slots__ = ("_addresses", "_devices", "_node", "_waiting", "kicks")

    def __init__(self, node: Node) -> None:
        settings = node.settings.flapping
        self._node = node
        self._devices = Ladder(
            Rungs(
                settings.device_delay,
                settings.device_deny,
                settings.device_ban,
                settings.device_calm_s,
                settings.ban_s,
            )
        )
        self._addresses = Ladder(
            Rungs(
                settings.address_delay,
                settings.address_deny,
                settings.address_ban,
                1 / settings.address_calm_per_s,
                settings.ban_s,
            )
        )
        self._waiting: set[str] = set()
        self.kicks = Kicks(settings)

    def __bool__(self) -> bool:
        """Whether anybody is held up."""
        return bool(self._devices.held or self._addresses.held)

    # -- coming ----------------------------------------------------------------------------

    async def hold(self, door: Door, request: Request, deadline: Deadline) -> None:
        """Keep a request waiting that is to be delayed; its deadline waits as long.

        Raises RefusedError 429, or ConnectionResetError when the device leaves meanwhile.
        """
        wait_s = self._judge(request)
        if not wait_s:
            return
        key = _at_address(shown_device_id(request), request.address)
        if key in self._waiting or len(self._waiting) >= MOST_WAITING:
            raise _refused("comes too often, and waits already", wait_s)
        with self._held_up(door, key):
            await asyncio.sleep(deadline.put_off(wait_s))

    @contextmanager
    def _held_up(self, door: Door, key: str) -> Iterator[None]:
        """Have its admission cancelled when the device leaves: that is a ConnectionResetError."""
        self._waiting.add(key)
        door.judging = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if door.lifecycle.state is not State.CLOSED:
                raise  # the deadline, or we leave
            raise ConnectionResetError("left while it was held") from None
        finally:
            door.judging = None
            self._waiting.discard(key)

    def _judge(self, request: Request) -> float:
        """Return how long this request has to wait. Raises RefusedError."""
        now = self._node.ticker.now
        device_id = shown_device_id(request)[:ID_CHARACTERS]
        key = _at_address(device_id, request.address)
        own = self._devices.held.get(key)
        of_all = self._addresses.held.get(address_key(request.address))
        if own is not None and own.step is not Step.DELAYED:
            self._climbs("device", self._devices.heat(key, now))
            raise _refused("comes and goes too often", self._devices.wait_s(own, now))
        if of_all is not None and of_all.step is not Step.DELAYED:
            raise _refused(
                "this address comes and goes too often", self._addresses.wait_s(of_all, now)
            )
        share = max(
            0.0 if own is None else self._devices.share(own, now),
            0.0 if of_all is None else self._addresses.share(of_all, now),
        )
        spread = SHORTEST_SHARE + (1 - SHORTEST_SHARE) * self._node.random.random()
        return share * spread * self._node.settings.flapping.delay_s

    async def check_war(self, door: Door, identity: Identity, deadline: Deadline) -> None:
        """Refuse who is not to have a device that two have fought about, if its holder is there.

        The holder is asked; the deadline waits as long. Raises RefusedError 409, or
        ConnectionResetError when the device leaves meanwhile.
        """
        registry = self._node.registry
        holder = registry.by_device(identity.device_id)
        war = self.kicks.holding_off(identity, door.address, holder)
        if war is None or holder is None:
            return
        key = f"war {war.device_id}"
        is_asked = key in self._waiting or len(self._waiting) >= MOST_WAITING
        if is_asked or not may_answer(holder):
            raise self._at_war(war)
        within_s = patience_s(holder)
        if within_s > deadline.patience_s:
            raise self._at_war(war)  # its answer would come too late for who has waited already
        deadline.put_off(within_s)
        with self._held_up(door, key):
            heard = await is_heard(holder, within_s)
        if registry.by_device(identity.device_id) is not holder:
            if self.kicks.holding_off(identity, door.address, registry.by_device(war.device_id)):
                raise self._at_war(war)
        elif heard:
            raise self._at_war(war)
        elif holder.connection.lifecycle.reason is None and self.kicks.lift(war.device_id):
            # One that has gone without a word fights with nobody.
            self._tell("kick_war_over", _of_war(war), self._node.ticker.now)

    def _at_war(self, war: War) -> RefusedError:
        return RefusedError(
            "another with this id holds the device",
            CloseReason.KICK_WAR,
            retry_after_s=_whole(war.until - self._node.ticker.now),
        )

    # -- going -----------------------------------------------------------------------------

    def on_ended(self, device_id: str, ending: Ending) -> None:
        """Count a connection that had a short life by its device's own doing, or hardly any.

        What an operator ended is nobody's doing, and what we ended not that of a whole address.
        """
        settings = self._node.settings.flapping
        its_own = ending.reason in ITS_OWN_DOING
        short_s = (
            settings.short_life_s if its_own else min(NO_CONVERSATION_S, settings.short_life_s)
        )
        if (
            not device_id
            or ending.age_s >= short_s
            or ending.reason.initiator is Initiator.OPERATOR
            or not settings.enabled
        ):
            return
        now = self._node.ticker.now
        address = ending.address
        self._climbs("device", self._devices.heat(_at_address(device_id, address), now))
        addresses = self._node.arrivals.addresses
        if not its_own or not addresses.bounds(address):
            return
        usual = settings.address_calm_per_s * CROWD_S
        weight = min(1.0, usual / max(1.0, addresses.connections(address)))
        self._climbs("address", self._addresses.heat(address_key(address), now, weight))

    def on_takeover(self, newer: Session, older: Session) -> None:
        """One connection of a device has replaced another."""
        if not self._node.settings.flapping.enabled:
            return
        now = self._node.ticker.now
        war = self.kicks.note(newer, older, now)
        if war is not None:
            self._tell("kick_war", _of_war(war), now)

    def each_second(self, now: float) -> None:
        """Let down and go who has calmed down."""
        for kind, ladder in (("device", self._devices), ("address", self._addresses)):
            for standing in ladder.settle(now):
                self._tell("flapping_over", _of_standing(kind, standing), now)
        for war in self.kicks.settle(now):
            self._tell("kick_war_over", _of_war(war), now)
        self._node.incidents.stands(Incident.KICK_WAR, _facts_of_wars(self.kicks.wars))
        self._node.incidents.stands(Incident.BANS, self._facts_of_bans())

    def _facts_of_bans(self) -> dict[str, Fact]:
        """Return one fact for all that are banned: there may be thousands."""
        standings = chain(self._devices.held.values(), self._addresses.held.values())
        banned = sum(each.step is Step.BANNED for each in standings)
        told = f"banned for coming and going without end: {banned}"
        return {"": Fact(told, banned)} if banned else {}

    # -- for operators ---------------------------------------------------------------------

    def held(self) -> Iterator[Held]:
        """Yield everybody that is held up."""
        for standing in self._devices.held.values():
            yield _of_standing("device", standing)
        for standing in self._addresses.held.values():
            yield _of_standing("address", standing)
        yield from map(_of_war, self.kicks.wars.values())

    def count_held(self) -> dict[str, int]:
        """Return how many are held up, by kind; looks at none of them."""
        counts = len(self._devices.held), len(self._addresses.held), len(self.kicks.wars)
        return dict(zip(KINDS, counts, strict=True))

    def lift(self, who: str) -> list[Held]:
        """Let a device go wherever it is held, or an address; return what was lifted."""
        key = folded(who)
        lifted = [each for each in self.held() if (each.device_id or each.address) == key]
        for each in lifted:
            if each.kind == "device":
                self._devices.lift(_at_address(each.device_id, each.address))
            elif each.kind == "address":
                self._addresses.lift(each.address)
            else:
                self.kicks.lift(each.device_id)
            self._node.log.info("hold_lifted", **_told(each, self._node.ticker.now))
        return lifted

    # -- telling ---------------------------------------------------------------------------

    def _climbs(self, kind: str, standing: Standing | None) -> None:
        if standing is not None:
            self._tell("flapping", _of_standing(kind, standing), self._node.ticker.now)

    def _tell(self, event: str, held: Held, now: float) -> None:
        told = _told(held, now)
        over = event.endswith("_over")
        if not over:
            self._node.counters.holds[held.kind, held.step.value] += 1
        (self._node.log.info if over else self._node.log.warning)(event, **told)
        self._node.hub.emit(held.device_id, event, json.encode(told))


def _facts_of_wars(wars: dict[str, War]) -> dict[str, Fact]:
    """Return one fact for all: whoever copies ids copies many."""
    if not wars:
        return {}
    named = ", ".join(islice(wars, NAMED))
    more = f" and {len(wars) - NAMED} more" if len(wars) > NAMED else ""
    return {"": Fact(f"two take one device from each other: {named}{more}", len(wars))}


def _of_standing(kind: str, standing: Standing) -> Held:
    assert standing.step is not None, "held"
    address, _, device_id = standing.key.partition(" ")
    return Held(
        kind, device_id, address, standing.step, standing.times, standing.since, standing.until
    )


def _of_war(war: War) -> Held:
    return Held("kick_war", war.device_id, "", Step.DENIED, war.kicks, war.since, war.until)


def _told(held: Held, now: float) -> dict[str, object]:
    told: dict[str, object] = {
        "kind": held.kind,
        "device_id": held.device_id,
        "address": held.address,
        "step": held.step.value,
        "times": held.times,
    }
    if held.until is not None:
        told["for_s"] = round(max(0.0, held.until - now), 1)
    return {name: value for name, value in told.items() if value != ""}


def _refused(detail: str, wait_s: float) -> RefusedError:
    return RefusedError(detail, CloseReason.FLAPPING, retry_after_s=_whole(wait_s))


def _whole(wait_s: float) -> int:
    return max(1, ceil(wait_s))


def _at_address(device_id: str, address: str) -> str:
    # An address has no space in it, so the key can be read in one way only.
    return f"{address_key(address)} {folded(device_id)}"
