"""Where state is kept: on what, whose, and with how much room."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning
from keepline.app.memory import FILE_NAME
from keepline.gateway.auth.kept_key import KEY_FILE, keeps_key
from keepline.gateway.enrolment.making import LEDGER_FILE
from keepline.gateway.sockets import only_this_machine

if TYPE_CHECKING:
    from keepline.settings import Settings

CHECK: Final = "state"
MIB: Final = 1 << 20
LEAST_FREE_BYTES: Final = 64 * MIB
USUAL_FREE_BYTES: Final = 1_024 * MIB
FILES: Final = tuple(
    name + ending for name in (FILE_NAME, LEDGER_FILE) for ending in ("", "-wal", "-shm")
)
OTHERS: Final = 0o077

FORGETFUL: Final = frozenset({"tmpfs", "ramfs"})
"""Memory that looks like a disk."""

LAYERED: Final = frozenset({"overlay", "overlayfs", "aufs"})
"""A container's own, which goes with it."""

REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs"})
"""Where the locks and the shared memory of SQLite's journal do not hold what they promise."""


def state(settings: Settings, root: Path) -> Diagnosis:
    """Return whether what is remembered of devices outlives what it should."""
    directory = settings.data_dir
    if directory is None and only_this_machine(settings):
        return ok(CHECK, "none is kept: enough to try things out")
    if directory is None:
        return warning(
            CHECK,
            "none is kept: with every restart devices, their state and their history are forgotten",
            "give --data DIR, or data_dir",
        )
    there = next(each for each in (directory, *directory.absolute().parents) if _is_there(each))
    found = _unusable(there)
    if found is None and there == directory:
        found = _closed(directory, reads_key=keeps_key(settings)) or _open_to_others(directory)
    return found or _on_what(directory, there, root) or _room(directory, there)


def _is_there(path: Path) -> bool:
    """Return whether this user can see it; a link without a target is there, and in the way."""
    try:
        return path.is_symlink() or path.exists()
    except OSError:  # below what it may not look into
        return False


def _unusable(there: Path) -> Diagnosis | None:
    """Return what keeps this user from writing where state is, or where it would be made."""
    try:
        with tempfile.NamedTemporaryFile(dir=there):
            pass
    except OSError as error:
        return problem(
            CHECK,
            f"cannot write in {there}: {error.strerror}",
            "give --data a directory that this user may read and write",
        )
    return None


def _closed(directory: Path, *, reads_key: bool) -> Diagnosis | None:
    """Return what is there already, and what a start would need of it and may not."""
    key = [(directory / KEY_FILE, os.R_OK)] if reads_key else []
    databases = [(directory / name, os.R_OK | os.W_OK) for name in FILES]
    for path, asked in [(directory, os.R_OK | os.W_OK | os.X_OK), *databases, *key]:
        if _is_there(path) and not os.access(path, asked):
            may_not = "read" if asked == os.R_OK else "read and write"
            return problem(
                CHECK,
                f"{path} is there, and this user may not {may_not} it",
                "run as the user that has made it, or give it to this one: chown -R USER"
                f" {directory}",
            )
    return None


def _open_to_others(directory: Path) -> Diagnosis | None:
    if directory.stat().st_mode & OTHERS:
        return warning(
            CHECK,
            f"others on this machine can look into {directory}, where the key of tokens is",
            f"chmod 700 {directory}",
        )
    return None


def _on_what(directory: Path, there: Path, root: Path) -> Diagnosis | None:
    kind = file_system(there, root)
    if kind in FORGETFUL:
        return problem(
            CHECK,
            f"{directory} is in memory ({kind}): a restart of the machine forgets it",
            "give --data a directory on a disk",
        )
    if kind in LAYERED:
        return warning(
            CHECK,
            f"{directory} is in a container's own layer ({kind}), which goes with the container",
            "mount a volume there",
        )
    if kind in REMOTE or kind.startswith("fuse"):
        return warning(
            CHECK,
            f"{directory} is not on a disk of this machine ({kind}): locks may not hold, and each"
            " write waits for a network",
            "give --data a directory on a disk of this machine, or a block device",
        )
    return None


def _room(directory: Path, there: Path) -> Diagnosis:
    found = os.statvfs(there)
    free = found.f_bavail * found.f_frsize
    told = f"{directory} has {free // MIB} MiB free"
    if free < USUAL_FREE_BYTES:
        judged = warning if free >= LEAST_FREE_BYTES else problem
        return judged(CHECK, told, "free some: on a full disk nothing is remembered any more")
    return ok(CHECK, told)


def file_system(path: Path, root: Path) -> str:
    """Return the kind of file system that a path is on, "" where that is not told."""
    resolved, best, kind = path.resolve(), -1, ""
    for mounted, _, described in map(_halves, _mounts(root)):
        match mounted.split(), described.split():
            case [_, _, _, _, mount, *_], [found, *_]:
                at = Path(mount.replace("\\040", " "))
                # The later of two on one place is the one that is seen.
                if resolved.is_relative_to(at) and len(at.parts) >= best:
                    best, kind = len(at.parts), found
    return kind


def _halves(line: str) -> tuple[str, str, str]:
    return line.partition(" - ")


def _mounts(root: Path) -> list[str]:
    try:
        return (root / "proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
