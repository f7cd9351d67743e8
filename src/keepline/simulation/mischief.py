"""Carries faults out: on a device, on its way, or on the machine that all of them connect to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from keepline.errors import KeeplineError
from keepline.fleet.bad_input import bad_bytes
from keepline.fleet.faults import BAD_KINDS
from keepline.fleet.reaction import Action
from keepline.reasons import CloseReason
from keepline.simulation.faults import Fault
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.messages import Custom, encode_server_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from keepline.fleet.chance import Chance
    from keepline.simulation.disk import Disk
    from keepline.simulation.faults import Mixture
    from keepline.simulation.host import Host, Life
    from keepline.simulation.oracle.oracle import Oracle
    from keepline.simulation.plug import Plug
    from keepline.simulation.timeline import Timeline
    from keepline.simulation.trace import Trace
    from keepline.simulation.watching import DeathWatch

STALL_S: Final = (0.3, 6.0)
DOWN_S: Final = (0.5, 40.0)
BLOCKED_S: Final = (0.5, 120.0)
TROUBLE_S: Final = (5.0, 90.0)
LOCKED_S: Final = (0.5, 15.0)
JUMP_S: Final = (3.0, 7_200.0)
AWAY_S: Final = (30.0, 240.0)
REBOOT_S: Final = (3.0, 20.0)
UNREAD_S: Final = (2.0, 60.0)
BURSTS: Final = 6  # asked for by a slow reader
FLOOD_PINGS: Final = 60
COMMAND_TIMEOUT_S: Final = 5.0
RESTART_LOOK_S: Final = 0.5


class Mischief:
    """Draws faults of a mixture and lets them happen, from `begin` to `end`."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        host: Host,
        plugs: Sequence[Plug],
        oracle: Oracle,
        trace: Trace,
        random: Random,
        chance: Chance,
        mixture: Mixture,
        watch: DeathWatch,
        after_stop: Callable[[Life], None],
    ) -> None:
        self._timeline = timeline
        self._host = host
        self._disk: Disk = host.disk
        self._usual_disk_s = host.disk.takes_s
        self._plugs = plugs
        self._oracle = oracle
        self._trace = trace
        self._random = random
        self._chance = chance
        self._mixture = mixture
        self._watch = watch
        self._after_stop = after_stop
        self._is_over = False

    def begin(self) -> None:
        """Let things go wrong from now on."""
        wait_s = self._mixture.next_s(self._random, len(self._plugs))
        if wait_s != float("inf"):
            self._timeline.at(self._timeline.now + wait_s, self._next)

    def end(self) -> None:
        """Let nothing go wrong any more; what is wrong passes."""
        self._is_over = True
        for plug in self._plugs:
            plug.path.calm()
            plug.read(wanted=True)
        self._disk.takes_s = self._usual_disk_s

    def _next(self, _: None) -> None:
        if self._is_over:
            return
        fault = self._mixture.draw(self._random)
        if fault is not None:
            self.do(fault)
        self.begin()

    def do(self, fault: Fault, plug: Plug | None = None) -> None:
        """Let one fault happen: to this device, or to any."""
        plug = plug or self._random.choice(self._plugs)
        self._trace.note("fault", fault.value, plug.device.device_id)
        self._oracle.counts[f"fault {fault.value}"] += 1
        match fault:
            case Fault.DIE | Fault.REBOOT | Fault.HANG_UP | Fault.RESET | Fault.TAKEOVER:
                self._end_connection(fault, plug)
            case Fault.PARTITION | Fault.DEAF_UP | Fault.DEAF_DOWN | Fault.LOSS | Fault.JITTER:
                self._spoil_path(fault, plug)
            case Fault.SLOW_READER | Fault.BAD_INPUT | Fault.PING_FLOOD:
                self._misbehave(fault, plug)
            case Fault.KICK | Fault.COMMAND | Fault.REVOKE:
                self._operate(fault, plug.device.device_id)
            case _:
                self._trouble_host(fault)

    # -- devices ---------------------------------------------------------------------------

    def _end_connection(self, fault: Fault, plug: Plug) -> None:
        now, device, tcp = self._timeline.now, plug.device, plug.tcp
        if not device.is_connected:
            return
        match fault:
            case Fault.DIE:
                plug.perform(device.leave(now, Action.FREEZE, self._random.uniform(*AWAY_S)))
            case Fault.REBOOT:
                away_s = self._random.uniform(*REBOOT_S)
                plug.perform(device.leave(now, Action.FREEZE, away_s))
                self._timeline.at(now + away_s, lambda _: plug.reboot())
            case Fault.HANG_UP | Fault.RESET:
                action = Action.HANG_UP if fault is Fault.HANG_UP else Action.RESET
                plug.perform(device.leave(now, action, self._random.uniform(0.0, 30.0)))
            case _:
                plug.forget()
                plug.perform(device.come_at_once())
        if tcp is not None and tcp.died_at is not None:
            self._watch.begin(tcp)

    def _spoil_path(self, fault: Fault, plug: Plug) -> None:
        draw, now, path = self._random.uniform, self._timeline.now, plug.path
        if fault is Fault.LOSS or fault is Fault.JITTER:
            conditions = (
                path.conditions._replace(loss=draw(0.02, 0.5))
                if fault is Fault.LOSS
                else path.conditions._replace(jitter_s=draw(0.2, 3.0))
            )
            path.change(conditions, now + draw(*TROUBLE_S))
            return
        until = now + draw(*BLOCKED_S) ** 2 / BLOCKED_S[1]  # mostly short
        if fault is not Fault.DEAF_DOWN:
            path.block("up", until)
        if fault is not Fault.DEAF_UP:
            path.block("down", until)

    def _misbehave(self, fault: Fault, plug: Plug) -> None:
        tcp, now, device = plug.tcp, self._timeline.now, plug.device
        if tcp is None or not device.is_connected:
            return
        match fault:
            case Fault.SLOW_READER:
                for _ in range(BURSTS):
                    plug.perform(device.ask("burst"))
                plug.read(wanted=False)
                until = now + self._random.uniform(*UNREAD_S)
                self._timeline.at(until, lambda _: plug.read(wanted=True))
                if self._random.random() < 0.5:  # noqa: PLR2004 (a coin)
                    # It reads again when it is too late: its session is ending.
                    end_at = max(now, until - self._random.random())
                    who = device.device_id
                    self._timeline.at(end_at, lambda _: self._operate(Fault.KICK, who))
            case Fault.PING_FLOOD:
                ping = encode_masked(Opcode.PING, b"flood", b"\x01\x02\x03\x04")
                tcp.up.send(ping * FLOOD_PINGS)
            case _:
                kind = self._random.choice(BAD_KINDS)
                tcp.up.send(bad_bytes(kind, self._chance, device.identity.audio_version))

    # -- operators -------------------------------------------------------------------------

    def _operate(self, fault: Fault, device_id: str) -> None:
        life = self._host.life
        if life is None or not life.is_ready:
            return
        match fault:
            case Fault.KICK:
                life.loop.enter(self._kick, life, device_id)
            case Fault.REVOKE:
                life.loop.enter(life.node.revoke, device_id)
            case _:
                life.loop.enter(lambda: life.hold(self._command(life, device_id)))

    def _kick(self, life: Life, device_id: str) -> None:
        session = life.node.registry.by_device(device_id)
        if session is not None:
            session.close(CloseReason.KICKED)

    async def _command(self, life: Life, device_id: str) -> None:
        number = self._oracle.commanding(device_id)
        payload = encode_server_message(Custom({"n": number})).encode()
        try:
            await life.hub.send(device_id, payload, COMMAND_TIMEOUT_S)
        except KeeplineError:
            self._oracle.refused(device_id, number)
            return
        session = life.node.registry.by_device(device_id)
        if session is None or session.connection.lifecycle.reason is not None:
            self._oracle.refused(device_id, number)  # it was one too many

    # -- the machine -----------------------------------------------------------------------

    def _trouble_host(self, fault: Fault) -> None:
        draw, now, host = self._random.uniform, self._timeline.now, self._host
        if not host.is_up:
            return
        match fault:
            case Fault.STALL if host.life is not None:
                host.life.loop.stall(draw(*STALL_S))
            case Fault.KILL | Fault.POWER_CUT:
                host.kill(silently=fault is Fault.POWER_CUT)
                self._timeline.at(now + draw(*DOWN_S), lambda _: host.start())
            case Fault.RESTART:
                host.stop()
                self._timeline.at(now + RESTART_LOOK_S, partial(self._look_for_end, now))
            case Fault.WALL_JUMP:
                host.set_wall(draw(*JUMP_S) * self._random.choice((-1, 1)))
                # What ends before the hub has seen it is what could go wrong.
                who = self._random.choice(self._plugs).device.device_id
                self._timeline.at(now + draw(0.0, 1.0), lambda _: self._operate(Fault.KICK, who))
            case Fault.DISK_LOCKED:
                self._disk.lock(now + draw(*LOCKED_S))
            case Fault.DISK_SLOW:
                self._disk.takes_s = (0.05, draw(0.1, 4.0))
                self._timeline.at(now + draw(*LOCKED_S), self._mend_disk)

    def _mend_disk(self, _: None) -> None:
        self._disk.takes_s = self._usual_disk_s
        self._disk.trouble_at = self._timeline.now

    def _look_for_end(self, since: float, _: None) -> None:
        life = self._host.bury()
        if life is None:
            self._timeline.at(
                self._timeline.now + RESTART_LOOK_S, partial(self._look_for_end, since)
            )
            return
        self._after_stop(life)
        self._host.start()
