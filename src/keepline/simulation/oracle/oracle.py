"""The oracle: it hears of everything that is promised and done, and says when both do not agree.

It goes by what devices, handlers and sockets see. Of the gateway it asks only what an operator can
see: a session's outcome, its claim, and whether it is ending.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import wraps
from typing import TYPE_CHECKING, Final

from keepline.fleet.histogram import Histogram
from keepline.simulation.oracle.hearts import TICK_S, Bounds
from keepline.simulation.oracle.messages import Messages
from keepline.simulation.oracle.states import States
from keepline.simulation.violation import ViolationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.session import Session
    from keepline.hub.port import Claim
    from keepline.reasons import CloseReason
    from keepline.settings import Settings
    from keepline.simulation.application import Puppet
    from keepline.simulation.device import SimulatedDevice
    from keepline.simulation.timeline import Timeline
    from keepline.simulation.trace import Trace
    from keepline.simulation.transport import HostTransport

_NUMBER: Final = re.compile(rb'"(?:n|message)":"?(\d+)')
_TEXT: Final = 0x81
_CLOSE: Final = 0x88
# After these nothing is kept of a session but what was saved in it.
_LEFT_NOTHING: Final = frozenset({"handler_failed", "revoked"})
_MINE: Final = frozenset({"handler_failed"})  # the application is asked to fail
FAULTS: Final = frozenset(
    {
        "cleanup_step_failed",
        "deadline_failed",
        "admission_failed",
        "configuration_failed",
        "state_unreadable",
        "task_failed",
    }
)
"""Events of the log that say that code of ours has failed."""


def _noted(method: Callable[..., None]) -> Callable[..., None]:
    """Have what `method` finds be noted, not raised: the gateway's fences are around it."""

    @wraps(method)
    def call(oracle: Oracle, *arguments: object, **named: object) -> None:
        try:
            method(oracle, *arguments, **named)
        except ViolationError as violation:
            oracle.found(violation)

    return call


class Account:
    """One device, with what it is owed."""

    __slots__ = ("claim", "device_id", "messages", "puppet", "said_at", "session_id", "states")

    def __init__(self, device_id: str, window_s: float, *, acks: bool) -> None:
        self.device_id = device_id
        self.states = States(device_id, window_s)
        self.messages = Messages(device_id, is_acknowledging=acks)
        self.claim = 0
        self.puppet: Puppet | None = None  # of its latest session
        self.said_at = 0.0
        self.session_id = ""  # of the connection that the device has


class Ward:
    """What one handler was promised, until it is closed."""

    __slots__ = ("began_at", "beside", "calls", "closed_at", "heard", "puppet")

    def __init__(self, puppet: Puppet, now: float) -> None:
        self.began_at = now
        self.puppet = puppet
        self.heard = 0  # the number of the last word
        self.beside = 0  # tasks that run
        self.calls: dict[object, float] = {}  # to come, and when
        self.closed_at: float | None = None


class Oracle:
    """Listener of devices, witness of handlers, tap of sockets, watcher of the hub."""

    def __init__(self, timeline: Timeline, trace: Trace, settings: Settings) -> None:
        self.accounts: dict[str, Account] = {}
        self.wards: dict[Puppet, Ward] = {}
        self.bounds = Bounds(settings.heartbeat, settings.tuning.verdict_s)
        self.counts: Counter[str] = Counter()
        self.detection = Histogram()
        self.violation: ViolationError | None = None
        self._timeline = timeline
        self._trace = trace
        self._window_s = settings.hub.resume_window_s
        self._numbers = 0
        self._latest_claims: dict[str, int] = {}
        self._holders: dict[str, str] = {}

    def found(self, violation: ViolationError) -> None:
        """End the run with the next step; the first violation is the one that counts."""
        if self.violation is None:
            self.violation = violation
            self._trace.note("VIOLATION", violation)
            self._timeline.interrupt(self._raise)

    def _raise(self, _: object) -> None:
        assert self.violation is not None, "found before it is raised"
        raise self.violation

    def add(self, device: SimulatedDevice) -> None:
        """Keep an account for one more device."""
        account = Account(device.device_id, self._window_s, acks=device.kind.acks)
        self.accounts[device.device_id] = account

    # -- told by devices -------------------------------------------------------------------

    def said(self, device: SimulatedDevice, number: int) -> None:
        self.accounts[device.device_id].said_at = self._timeline.now
        self._trace.note("says", device.device_id, number)

    @_noted
    def heard(self, device: SimulatedDevice, number: int, message_id: str) -> None:
        self._trace.note("hears", device.device_id, number, message_id)
        self.counts["messages heard"] += 1
        self.accounts[device.device_id].messages.heard(number, device.words)

    def greeted(self, device: SimulatedDevice, outcome: object) -> None:
        self._trace.note("greeted", device.device_id, outcome)
        self.counts["sessions"] += 1
        account = self.accounts[device.device_id]
        account.session_id = device.session_id
        account.messages.connected()

    # -- told by handlers ------------------------------------------------------------------

    @_noted
    def began(self, puppet: Puppet, session: Session, restored: bytes | None) -> None:
        account = self.accounts[session.device_id]
        if account.puppet is not None:  # whose `closed` may be yet to come
            self._excuse(account, account.puppet.session.connection.lifecycle.reason)
        account.puppet = puppet
        self.wards[puppet] = Ward(puppet, self._timeline.now)
        outcome = session.outcome.value
        self._trace.note("begins", session.device_id, session.claim, outcome, restored)
        self.counts[f"began {outcome}"] += 1
        if session.claim == 0:
            account.states.forget()
            account.messages.excuse()
        elif session.claim < account.claim:
            raise ViolationError(
                "fencing", f"{session.device_id} begins with {session.claim} after {account.claim}"
            )
        account.claim = max(account.claim, session.claim)
        version = account.states.begin(restored, outcome, self._timeline.now)
        if outcome != "resumed":
            account.messages.excuse()  # which was told, and would not have been allowed otherwise
        puppet.epoch, puppet.version = version

    @_noted
    def told(self, puppet: Puppet, number: int) -> None:
        ward = self.wards[puppet]
        if number != ward.heard + 1:
            raise ViolationError(
                "inbox", f"{puppet.device_id}: the handler heard {number} after {ward.heard}"
            )
        ward.heard = number
        account = self.accounts[puppet.device_id]
        if account.session_id == puppet.session.session_id:
            account.messages.understood(number)

    def roused(self, puppet: Puppet) -> None:
        if puppet.is_closed:
            self.found(ViolationError("order", f"{puppet.device_id}: called after it was closed"))
        if puppet.is_idle:
            self.found(ViolationError("idle", f"{puppet.device_id}: heard while idle, not woken"))

    def asked(self, puppet: Puppet, state: bytes) -> None:
        self._trace.note("snapshot", state)
        account = self.accounts[puppet.device_id]
        if account.puppet is puppet:
            account.states.asked(state)

    def saving(self, puppet: Puppet, state: bytes) -> None:
        self.accounts[puppet.device_id].states.saving(state)

    def saved(self, puppet: Puppet, state: bytes) -> None:
        self._trace.note("saved", state)
        self.counts["states saved"] += 1
        self.accounts[puppet.device_id].states.saved(state)

    @_noted
    def save_refused(self, puppet: Puppet) -> None:
        if self._holders.get(puppet.device_id) == puppet.session.session_id:
            raise ViolationError("fencing", f"{puppet.device_id}: its holder was refused a save")

    def sending(self, puppet: Puppet) -> int:
        self._numbers += 1
        self._trace.note("sends", puppet.device_id, self._numbers)
        self.accounts[puppet.device_id].messages.sending(self._numbers)
        return self._numbers

    def sent(self, puppet: Puppet, number: int) -> None:
        if puppet.session.connection.lifecycle.reason is not None:
            self.accounts[puppet.device_id].messages.excuse(number)

    def commanding(self, device_id: str) -> int:
        """An operator is sending a message; return its number."""
        self._numbers += 1
        self.accounts[device_id].messages.sending(self._numbers)
        return self._numbers

    def refused(self, device_id: str, number: int) -> None:
        """The operator was told that it was not sent."""
        self.accounts[device_id].messages.excuse(number)

    def promised_call(self, puppet: Puppet, due: float) -> object:
        promise = object()
        self.wards[puppet].calls[promise] = due
        return promise

    @_noted
    def called_back(self, puppet: Puppet, promise: object) -> None:
        due = self.wards[puppet].calls.pop(promise, None)
        if due is None:
            raise ViolationError("order", f"{puppet.device_id}: a timer has fired twice")
        if self._timeline.now < due:
            raise ViolationError("order", f"{puppet.device_id}: a timer has fired too early")

    def begun_beside(self, puppet: Puppet) -> None:
        self.wards[puppet].beside += 1

    def ended_beside(self, puppet: Puppet) -> None:
        if puppet in self.wards:
            self.wards[puppet].beside -= 1

    @_noted
    def ended(self, puppet: Puppet, reason: CloseReason) -> None:
        self._trace.note("closed", puppet.device_id, reason.cause)
        self.counts[f"ended {reason.cause}"] += 1
        ward = self.wards[puppet]
        if ward.closed_at is not None:
            raise ViolationError("cleanup", f"{puppet.device_id}: closed was called twice")
        ward.closed_at = self._timeline.now
        account = self.accounts[puppet.device_id]
        if account.puppet is not puppet:
            return
        account.states.ended(self._timeline.now)
        self._excuse(account, reason)

    def _excuse(self, account: Account, reason: CloseReason | None) -> None:
        """Owe nothing that a session did not leave because of how it ended."""
        if reason is not None and reason.cause in _LEFT_NOTHING:
            account.states.excuse()
        if reason is not None and reason.cause == "revoked":
            account.messages.excuse()

    # -- told by sockets -------------------------------------------------------------------

    @_noted
    def written(self, transport: HostTransport, data: bytes) -> None:
        if data[0] == _TEXT:
            for number in _NUMBER.findall(data):
                self.accounts[transport.device_id].messages.written(int(number))
        if data[0] != _CLOSE:
            return
        words = data[4:].decode()
        self._trace.note("close", transport.number, transport.device_id, words)
        if transport.ended_as is None:
            transport.ended_as = words or "code only"
            if words == "heartbeat_timeout":
                self._judge_verdict(transport)

    def lost(self, transport: HostTransport) -> None:
        self._trace.note("lost", transport.number, transport.device_id)
        transport.ended_as = transport.ended_as or "lost"

    def _judge_verdict(self, transport: HostTransport) -> None:
        now, tcp = self._timeline.now, transport.tcp
        device = tcp.plug.device if tcp.plug is not None else None
        answers = tcp.answers if device is None else device.pongs
        least_s = self.bounds.least_s(has_answered=answers > 0, streams=transport.has_streamed)
        # Of each stall the ticker takes off all but what was left of the tick in which it began.
        least_s -= TICK_S * transport.stalls_since(transport.last_read)
        silent_s = now - transport.last_read - transport.stalled_s(transport.last_read)
        if silent_s < least_s - 1e-6:
            raise ViolationError(
                "verdict",
                f"{transport.device_id} was given up after {silent_s:.2f} s of silence,"
                f" less than {least_s:.2f} s",
            )
        if tcp.died_at is None:
            self.counts["mute given up" if tcp.kind.is_mute else "false verdicts"] += 1
        else:
            self.counts["deaths noticed"] += 1
            self.detection.add(now - tcp.died_at)

    # -- told by the hub and the log -------------------------------------------------------

    @_noted
    def claimed(self, claim: Claim) -> None:
        """The hub has given a device to a session."""
        self._holders[claim.device_id] = claim.session_id
        if claim.provisional:
            return  # it is taken as soon as the store can be asked
        latest = self._latest_claims.get(claim.device_id, 0)
        if claim.number <= latest:
            raise ViolationError(
                "fencing", f"{claim.device_id} was given {claim.number} after {latest}"
            )
        self._latest_claims[claim.device_id] = claim.number

    def handed_back(self, claim: Claim, session_id: str) -> None:
        """A claim has come to nothing: the session before has the device."""
        if self._holders.get(claim.device_id) == claim.session_id:
            self._holders[claim.device_id] = session_id

    def holds(self, claim: Claim) -> bool:
        """Whether a save with this claim may be accepted."""
        return self._holders.get(claim.device_id, claim.session_id) == claim.session_id

    @_noted
    def kept(self, claim: Claim, *, was_holder: bool) -> None:
        """The hub has accepted a save."""
        if not was_holder:
            raise ViolationError("fencing", f"{claim.device_id}: a replaced session has saved")

    @_noted
    def logged(self, event: str, fields: dict[str, object]) -> None:
        """The gateway says something in its log."""
        error = fields.get("error")
        if event in FAULTS:
            raise ViolationError("fault", f"{event}: {error!r}")
        if event in _MINE and type(error).__name__ != "Fault":
            raise ViolationError("fault", f"{event}: {error!r} at {fields.get('at')}")
        device_id = fields.get("device_id")
        account = self.accounts.get(device_id) if isinstance(device_id, str) else None
        if account is None:
            return
        if event in {
            "snapshot_too_late",
            "state_lost",
            "handler_too_slow_to_end",
            "handler_failed",
        }:
            account.states.excuse()
        if event in {"messages_lost", "state_lost"}:
            account.messages.excuse()

    # -- told by the world -----------------------------------------------------------------

    def crashed(self, *, is_settled: bool) -> None:
        """The process was killed, with work that was not written unless `is_settled`."""
        now = self._timeline.now
        for account in self.accounts.values():
            puppet = account.puppet
            ward = None if puppet is None else self.wards.get(puppet)
            is_held = ward is not None and ward.closed_at is None
            if is_held or not is_settled:
                account.states.crashed(now)
                account.messages.excuse()
        self.wards.clear()

    def restarted(self) -> None:
        """A new process has begun: windows of what the old one held begin now."""
        for account in self.accounts.values():
            account.states.restarted(self._timeline.now)

    def left(self) -> None:
        """The process has left in order: every handler was told."""
        unclosed = [ward.puppet.device_id for ward in self.wards.values() if ward.closed_at is None]
        self.wards.clear()
        if unclosed:
            self.found(ViolationError("cleanup", f"the process has left, not closed: {unclosed}"))

    def settle(self) -> None:
        """Everything asked of the disk so far is on it."""
        for account in self.accounts.values():
            puppet = account.puppet
            ward = None if puppet is None else self.wards.get(puppet)
            if ward is None or ward.closed_at is not None:
                account.states.settle()
