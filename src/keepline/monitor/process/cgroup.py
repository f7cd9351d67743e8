"""What the control groups of a process allow it, in both versions of their files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

OUR_GROUPS: Final = "proc/self/cgroup"
_V1, _V2 = 1, 2
_MEMORY: Final = {
    _V2: ("memory.max", "memory.high"),  # the kernel kills at the one, stalls at the other
    _V1: ("memory.limit_in_bytes",),
}
_NO_LIMIT: Final = 1 << 60  # version 1 says "none" by a number near 2^63


class _Hierarchy(NamedTuple):
    """Where one tree of groups is mounted, and which of its groups is the top there."""

    mount: PurePosixPath
    top: PurePosixPath


def memory_limit_bytes(root: Path) -> int | None:
    """Return the lowest limit of our group and of all above it; None where there is none.

    `root` is "/", or a tree that stands for it.
    """
    found = [
        limit
        for version, folder in _groups(root, "memory")
        for name in _MEMORY[version]
        if (limit := _limit_in(folder / name)) is not None
    ]
    return min(found, default=None)


def cores_limit(root: Path) -> float | None:
    """Return the lowest quota of processor time, in cores, as `memory_limit_bytes` does."""
    found = [
        cores
        for version, folder in _groups(root, "cpu")
        if (cores := _cores_in(folder, version)) is not None
    ]
    return min(found, default=None)


def _groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Yield the folders of our groups that a controller can limit, and their version."""
    for version, hierarchy, group in _memberships(root, controller):
        for folder in _folders(hierarchy, group):
            yield version, root / folder.relative_to("/")


def _memberships(root: Path, controller: str) -> Iterator[tuple[int, _Hierarchy, PurePosixPath]]:
    """Yield the trees in which a controller can be, each with the group in which we are there."""
    mounted = dict(_hierarchies(root, controller))
    for line in _lines(root / OUR_GROUPS):
        _, controllers, path = line.split(":", 2)
        if not controllers and _V2 in mounted:
            yield _V2, mounted[_V2], PurePosixPath(path)
        elif controller in controllers.split(",") and _V1 in mounted:
            yield _V1, mounted[_V1], PurePosixPath(path)


def _hierarchies(root: Path, controller: str) -> Iterator[tuple[int, _Hierarchy]]:
    for line in _lines(root / "proc/self/mountinfo"):
        mounted, _, kind = line.partition(" - ")
        match mounted.split(), kind.split():
            case [_, _, _, top, mount, *_], ["cgroup2", *_]:
                yield _V2, _Hierarchy(PurePosixPath(mount), PurePosixPath(top))
            case [_, _, _, top, mount, *_], ["cgroup", _, options, *_]:
                if controller in options.split(","):
                    yield _V1, _Hierarchy(PurePosixPath(mount), PurePosixPath(top))


def _folders(hierarchy: _Hierarchy, group: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield the folder of a group and those above it, as far as they can be seen.

    A container mostly sees its own group as the top, under a path that is none of its own.
    """
    if ".." in group.parts or not group.is_relative_to(hierarchy.top):
        yield hierarchy.mount
        return
    folder = hierarchy.mount / group.relative_to(hierarchy.top)
    yield folder
    while folder != hierarchy.mount:
        folder = folder.parent
        yield folder


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text("ascii").strip()
        return limit if (limit := int(text)) < _NO_LIMIT else None
    except (OSError, ValueError):  # not there, or "max"
        return None


def _cores_in(folder: Path, version: int) -> float | None:
    names = ("cpu.max",) if version == _V2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        quota, period = " ".join((folder / name).read_text("ascii") for name in names).split()
        return int(quota) / int(period) if int(quota) > 0 else None  # version 1 says "none" by -1
    except (OSError, ValueError):  # not there, or "max"
        return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
