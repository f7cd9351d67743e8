"""What a worker process is given by the one that looks after it, and what it makes of it."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keepline.app.lifeline import hang_on
from keepline.app.workers.board import Board

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

VARIABLE: Final = "KEEPLINE_WORKER"
"""In which a worker process is told all this, as JSON."""

BOARD_FILE: Final = "board"


@dataclass(frozen=True, slots=True)
class Post:
    """One of so `many` workers: its `slot`, from 1 on, and the directory in which all meet.

    `board` has room for `slots`, since an upgrade has twice as many for a while. `ended` says how
    the process before this one in the slot ended, when it should not have, "" else.
    """

    slot: int
    many: int
    slots: int
    directory: Path
    devices: tuple[socket.socket, ...]
    admin: socket.socket | None
    ended: str = ""

    def share(self) -> BoardShare:
        """Return this worker's share of who comes."""
        return BoardShare(Board(self.directory / BOARD_FILE, self.slots), self.slot)


class BoardShare:
    """A `Share` by the board of this machine."""

    def __init__(self, board: Board, slot: int) -> None:
        self._board = board
        self._slot = slot

    def tell(self, count: int, *, takes: bool) -> None:
        """Say how many this node has, and whether it takes more."""
        self._board.put(self._slot, count, takes=takes)

    def least(self) -> int | None:
        """Return how many the one has that has fewest, of those that take more."""
        return self._board.least()

    def close(self) -> None:
        """Tell and see nothing any more."""
        self._board.close()


def told(post: Post, lifeline: int, held: Sequence[int] = ()) -> tuple[str, list[int]]:
    """Return what the variable is to be, and the descriptors that the process is to inherit.

    What is `held` it keeps open, for whoever waits for its end.
    """
    devices = [sock.fileno() for sock in post.devices]
    admin = [] if post.admin is None else [post.admin.fileno()]
    text = json.dumps(
        {
            "slot": post.slot,
            "many": post.many,
            "slots": post.slots,
            "directory": str(post.directory),
            "devices": devices,
            "admin": admin,
            "lifeline": lifeline,
            "held": list(held),
            "ended": post.ended,
        }
    )
    return text, [*devices, *admin, lifeline, *held]


def post_of(environment: MutableMapping[str, str]) -> Post | None:
    """Return the post of this process, None for one that is no worker; and forget it was given.

    When the process that gave it is gone, whatever ended it, this one is told to stop.
    """
    text = environment.pop(VARIABLE, "")
    if not text:
        return None
    given = json.loads(text)
    hang_on(given["lifeline"])
    for descriptor in given["held"]:
        os.set_inheritable(descriptor, False)
    admin = _sockets(given["admin"])
    return Post(
        slot=given["slot"],
        many=given["many"],
        slots=given["slots"],
        directory=Path(given["directory"]),
        devices=tuple(_sockets(given["devices"])),
        admin=admin[0] if admin else None,
        ended=given["ended"],
    )


def _sockets(numbers: Sequence[int]) -> list[socket.socket]:
    found = [socket.socket(fileno=number) for number in numbers]
    for sock in found:
        sock.set_inheritable(False)
        sock.setblocking(False)
    return found


def admin_path(directory: Path, slot: int) -> Path:
    """Return where the worker of a slot answers the others about itself."""
    return directory / f"{slot}.admin"


def slots_in(directory: Path) -> list[int]:
    """Return the slots whose workers answer others, in order."""
    return sorted(int(path.stem) for path in directory.glob("*.admin") if path.stem.isdigit())
