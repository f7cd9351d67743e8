"""How long a gateway may take to stop."""

from __future__ import annotations

from keepline.app.grace import grace_s
from keepline.settings import Settings


def test_a_stop_may_take_the_drain_and_what_follows_it() -> None:
    usual = Settings()
    assert grace_s(usual) > usual.drain.longest_s
    slower = Settings.model_validate({"drain": {"limit_s": 100, "unready_s": 10}})
    assert grace_s(slower) - grace_s(usual) == 110 - usual.drain.longest_s
