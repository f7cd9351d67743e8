from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from keepline.cli.drain_screen import Bar, tell_plan, words_for
from tests.unit.cli.test_drain import NONE, PLAN


def told(plan: dict[str, Any]) -> str:
    out = StringIO()
    tell_plan(plan, Console(file=out, width=100))
    return out.getvalue()


def test_a_plan_is_a_table_of_waves_and_two_sentences() -> None:
    text = told(PLAN)
    assert "at most 700 arrive in a second" in text
    assert "4 are in a conversation: each has up to 15 s for its turn" in text
    assert "does not fit" not in text


def test_who_is_cut_is_said_before_it_begins() -> None:
    waves = [PLAN["waves"][0], PLAN["waves"][1] | {"cut": 3}, PLAN["waves"][2] | {"devices": 0}]
    text = told(PLAN | {"fits": False, "waves": waves})
    assert "it does not fit: 3 find no slot within 20 s" in text
    assert "conversation" not in text


def test_a_line_says_what_is_special_only() -> None:
    assert words_for(NONE | {"phase": "ended", "left": 0}) == "ended, 0 left"
    slow = NONE | {"phase": "leaving", "rate": 0.7, "cut": 2, "eta_s": 9.6}
    assert words_for(slow) == "leaving, 12 left, at 70% of the pace, 2 cut, 10 s at most"


def test_on_a_terminal_there_is_a_bar() -> None:
    out = StringIO()
    with Bar(Console(file=out, force_terminal=True, width=100)) as bar:
        bar.show(NONE | {"phase": "leaving", "left": 3})
        bar.show(NONE | {"phase": "ended", "left": 0})
    assert "12/12" in out.getvalue()
    assert "ended, 0 left" in out.getvalue()
