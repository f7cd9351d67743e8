"""What one session has, found by walking from it: all within reach that is not everybody's."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType, WrapperDescriptorType
from typing import Any

from tests.unit.gateway.fakes import FakeTransport, World

NOT_WALKED = (
    type,
    ModuleType,
    FunctionType,
    BuiltinFunctionType,
    WrapperDescriptorType,
    Enum,
    FakeTransport,  # which remembers for the test
    int,
    float,
)


def reached(roots: Iterable[object], known: Iterable[int] = ()) -> dict[int, object]:
    """Return what can be reached from `roots`, by its identity; not what is `known`."""
    found: dict[int, object] = {}
    known, waiting = set(known), list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in found or id(each) in known or isinstance(each, NOT_WALKED):
            continue
        found[id(each)] = each
        waiting += gc.get_referents(each)
    return found


class Everybodys:
    """What a node has before anybody has come."""

    def __init__(self, world: World) -> None:
        self._kept = reached([world.node, world])

    def belongings(self, session: Any) -> tuple[Counter[str], int]:
        """Return what a session has by kind, and its bytes; what it has in tables, too."""
        seldom = session.connection.node.seldom
        tables = [getattr(seldom, name) for name in seldom.__slots__]
        seldoms = [table[session] for table in tables if session in table]
        own = reached([session, session.connection, *seldoms], self._kept)
        kinds = Counter(type(each).__name__ for each in own.values())
        return kinds, sum(sys.getsizeof(each) for each in own.values())

    def holders(self, session: Any) -> Counter[str]:
        """Return by kind who refers to a session, to its connection or to its handler."""
        found: Counter[str] = Counter()
        for each in (session, session.connection):
            holders = gc.get_referrers(each)
            found.update(type(one).__name__ for one in holders if not isinstance(one, FrameType))
        return found
