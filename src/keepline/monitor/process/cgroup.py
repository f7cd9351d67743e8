"""How much memory the control groups of a process allow it, in both versions of their files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS_V2: Final = (
    "memory.max",
    "memory.high",
)  # the kernel kills at the one, stalls at the other
_LIMITS_V1: Final = ("memory.limit_in_bytes",)
_NO_LIMIT: Final = 1 << 60  # version 1 says "none" by a number near 2^63


class _Hierarchy(NamedTuple):
    """Where one tree of groups is mounted, which of its groups is the top there, and its files."""

    mount: PurePosixPath
    top: PurePosixPath
    files: tuple[str, ...]


def memory_limit_bytes(root: Path) -> int | None:
    """Return the lowest limit of our group and of all above it; None where there is none.

    `root` is "/", or a tree that stands for it.
    """
    found = [
        limit
        for hierarchy, group in _memberships(root)
        for folder in _folders(hierarchy, group)
        for name in hierarchy.files
        if (limit := _limit_in(root / folder.relative_to("/") / name)) is not None
    ]
    return min(found, default=None)


def _memberships(root: Path) -> Iterator[tuple[_Hierarchy, PurePosixPath]]:
    """Yield the trees that can limit memory, each with the group in which we are there."""
    mounted = {hierarchy.files: hierarchy for hierarchy in _hierarchies(root)}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers and _LIMITS_V2 in mounted:
            yield mounted[_LIMITS_V2], PurePosixPath(path)
        elif "memory" in controllers.split(",") and _LIMITS_V1 in mounted:
            yield mounted[_LIMITS_V1], PurePosixPath(path)


def _hierarchies(root: Path) -> Iterator[_Hierarchy]:
    for line in _lines(root / "proc/self/mountinfo"):
        mounted, _, kind = line.partition(" - ")
        match mounted.split(), kind.split():
            case [_, _, _, top, mount, *_], ["cgroup2", *_]:
                yield _Hierarchy(PurePosixPath(mount), PurePosixPath(top), _LIMITS_V2)
            case [_, _, _, top, mount, *_], ["cgroup", _, options, *_]:
                if "memory" in options.split(","):
                    yield _Hierarchy(PurePosixPath(mount), PurePosixPath(top), _LIMITS_V1)


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


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
