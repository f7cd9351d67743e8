from __future__ import annotations

import pytest

from keepline.gateway.share import LEAD, is_ahead


class Others:
    def __init__(self, fewest: int | None) -> None:
        self._fewest = fewest

    def tell(self, count: int, *, takes: bool) -> None:
        raise NotImplementedError

    def least(self) -> int | None:
        return self._fewest


@pytest.mark.parametrize(
    ("count", "fewest", "ahead"),
    [(LEAD, 0, False), (LEAD + 1, 0, True), (1_000, 995, False), (1_000, None, False)],
)
def test_a_node_is_ahead_when_it_has_more_by_the_lead(
    count: int,
    fewest: int | None,
    ahead: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert is_ahead(count, Others(fewest)) is ahead


def test_a_node_that_is_alone_is_never_ahead() -> None:
    assert not is_ahead(1_000_000, None)
