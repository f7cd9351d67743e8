"""A node's share of who comes, where other processes accept from the same sockets."""

from __future__ import annotations

from typing import Final, Protocol

LEAD: Final = 8
"""So many more than whoever has fewest a node may have without stepping back."""

STEP_BACK_S: Final = 0.002
"""For so long it leaves who comes to the others; then it takes one, if nobody has."""


class Share(Protocol):
    """What a node tells of itself to the others, and sees of them."""

    def tell(self, count: int, *, takes: bool) -> None:
        """Say how many this node has, and whether it takes more."""

    def least(self) -> int | None:
        """Return how many the one has that has fewest, of those that take more."""


def is_ahead(count: int, share: Share | None) -> bool:
    """Return whether a node with so many is to let others go first."""
    least = None if share is None else share.least()
    return least is not None and count - least > LEAD
