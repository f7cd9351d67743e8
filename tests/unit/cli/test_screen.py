from __future__ import annotations

import pytest

from keepline.cli.screen import say, wide_screen


@pytest.mark.parametrize(("terminal", "width"), [("40", 110), ("200", 200)])
def test_a_narrow_terminal_cuts_nothing_and_a_wide_one_is_used(
    monkeypatch: pytest.MonkeyPatch, terminal: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", terminal)
    assert wide_screen(110).width == width


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    wide_screen(80).print("[red]a[/red] :smile:")
    assert capsys.readouterr().out == "[red]a[/red] :smile:\n"


def test_a_sentence_breaks_between_words_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    sentence = "The device hung up, and has not been back."
    say(wide_screen(110), sentence)
    assert capsys.readouterr().out == f"{sentence}\n"
    screen = wide_screen(110)
    monkeypatch.setattr(type(screen), "is_terminal", True)
    say(screen, sentence)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "The device hung up,",
        "and has not been",
        "back.",
    ]
