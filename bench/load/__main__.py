"""Takes one JSON command a line on stdin, answers with one JSON line on stdout.

Between commands it goes on answering pings. It ends when stdin does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

from bench.certificate import client_context
from bench.load.attack import attack
from bench.load.crowd import Crowd
from bench.load.departure import Departure
from bench.load.device_bytes import Frames
from bench.load.probe import probe
from bench.load.storm import Storm
from bench.load.swarm import Swarm, Target
from bench.procfs import raise_open_files_limit

TOLD_WITHIN_S = 5.0
Answer = dict[str, Any]


class Commands:
    """Each public method is a command; its arguments come from the JSON object."""

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm
        # No two generators play the same device: the newer would replace the older.
        self._next_number = os.getpid() % 65_536 << 20
        self._crowd: Crowd | None = None
        self._storm: Storm | None = None

    def connect(self, *, count: int, port: int, token: str, tls: bool, within_s: float) -> Answer:
        first, self._next_number = self._next_number, self._next_number + count
        target = Target(port, token, client_context() if tls else None)
        self.swarm.connect(count, first=first, target=target, within_s=within_s)
        return {}

    def keep(self, *, count: int, first: int, port: int, token: str, within_s: float) -> Answer:
        """Connect devices that are told something; answer with the number of the first one."""
        if not first:
            first, self._next_number = self._next_number, self._next_number + count
        before = self.swarm.counts.told
        target = Target(port, token, acks=True)
        self.swarm.connect(count, first=first, target=target, within_s=within_s)
        deadline = time.monotonic() + TOLD_WITHIN_S
        while self.swarm.counts.told < before + count and time.monotonic() < deadline:
            self.swarm.pump(0.1)
        return {"first": first, "told_now": self.swarm.counts.told - before}

    def depart(self, *, within_s: float) -> Answer:
        departed = Departure(self.swarm.release_all()).see_off(within_s)
        return {"departed": asdict(departed) | {"peak": departed.peak}}

    def converse(self, *, devices: int, frames: int, within_s: float) -> Answer:
        self.swarm.converse(devices, frames=frames, within_s=within_s)
        return {}

    def say(self, *, devices: int, frames: int, within_s: float) -> Answer:
        self.swarm.say(devices, frames=frames, within_s=within_s)
        return {}

    def hear(self, *, devices: int, frames: int, within_s: float) -> Answer:
        self.swarm.hear(devices, frames=frames, within_s=within_s)
        return {}

    def echo(self, *, devices: int, for_s: float) -> Answer:
        return {"echoed": self.swarm.echo(devices, for_s=for_s)}

    def wake(self, *, devices: int, every_s: float) -> Answer:
        return {"took_s": self.swarm.wake(devices, every_s=every_s)}

    def probe(self, *, every_s: float, for_s: float) -> Answer:
        device = self.swarm.release()
        found = probe(device, every_s=every_s, for_s=for_s, listen=self.swarm.listen_start())
        device.sock.close()
        return asdict(found)

    def crowd(
        self, *, port: int, token: str, every_s: float, join_every_s: float, for_s: float
    ) -> Answer:
        if self._crowd is None:
            first, self._next_number = self._next_number, self._next_number + 65_536
            devices = self.swarm.release_all()
            self._crowd = Crowd(devices, Target(port, token), Frames(first), first)
        heard = self._crowd.talk(every_s=every_s, join_every_s=join_every_s, for_s=for_s)
        return {"heard": asdict(heard)}

    def attack(self, *, kind: str, port: int, token: str, for_s: float) -> Answer:
        first, self._next_number = self._next_number, self._next_number + (1 << 18)
        return {"done": asdict(attack(kind, port=port, token=token, first=first, for_s=for_s))}

    def storm(
        self, *, port: int, token: str, count: int, over_s: float, give_up_s: float
    ) -> Answer:
        if self._storm is None:
            first, self._next_number = self._next_number, self._next_number + count
            self._storm = Storm(Target(port, token), Frames(first), first)
        blown = self._storm.blow(count, over_s=over_s, give_up_s=give_up_s)
        return {"blown": asdict(blown)}

    def leave(self) -> Answer:
        self.swarm.leave()
        if self._storm is not None:
            self._storm.leave()
        return {}

    def count(self) -> Answer:
        return {}


def main() -> None:
    raise_open_files_limit()
    swarm = Swarm(seed=os.getpid())
    commands = Commands(swarm)
    swarm.watch(sys.stdin.fileno())
    while True:
        if not swarm.pump(1.0):
            continue
        line = sys.stdin.readline()
        if not line:
            return
        order: dict[str, Any] = json.loads(line)
        do = getattr(commands, order.pop("do"))
        try:
            answer = do(**order)
        except (OSError, TimeoutError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer | asdict(swarm.counts)), flush=True)


if __name__ == "__main__":
    main()
