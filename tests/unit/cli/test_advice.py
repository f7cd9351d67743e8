from __future__ import annotations

import pytest
import typer

from keepline.cli.advice import advice
from keepline.errors import StartError


def test_a_start_error_becomes_its_problem_and_its_hints_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ending, advice():
        raise StartError("the port [8000] is taken", "choose another\nor free it")
    assert ending.value.exit_code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: the port [8000] is taken\n  → choose another\n  → or free it\n"


def test_any_other_error_passes_and_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), advice():
        raise KeyError
    assert capsys.readouterr().err == ""
