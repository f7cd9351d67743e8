"""The page says what the code says."""

from __future__ import annotations

from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.signals import Signal
from tools import governor_page


def test_the_page_is_fresh() -> None:
    assert governor_page.main(["--check"]) == 0, "python -m tools.governor_page"


def test_every_signal_and_every_action_is_on_the_page_mildest_first() -> None:
    assert list(governor_page.SEEN) == list(Signal)
    assert list(governor_page.DONE) == list(Action)
