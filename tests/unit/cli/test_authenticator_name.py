from __future__ import annotations

import sys
from pathlib import Path

import pytest

from keepline.cli.authenticator_name import load_authenticator
from keepline.errors import StartError

MODULE = """
class Accounts:
    async def judge(self, request): ...

class Wrong:
    def judge(self, request): ...

class Needs(Accounts):
    def __init__(self, database): ...

ready = Accounts()
nothing = None
number = 3
"""


@pytest.fixture(autouse=True)
def my_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mydoor.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "mydoor", raising=False)


def test_a_class_is_made_and_an_object_is_taken_as_it_is() -> None:
    made = load_authenticator("mydoor:Accounts")
    assert type(made).__name__ == "Accounts"
    assert load_authenticator("mydoor:ready") is sys.modules["mydoor"].ready


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *(("mydoor", "names no"), ("mydoor:", "names no"), (":Accounts", "names no")),
        ("nodoor:Accounts", "there is no module nodoor"),
        *(("mydoor:Other", "has no Other"), ("mydoor:nothing", "has no nothing")),
        *(("mydoor:number", "not an authenticator"), ("mydoor:Wrong", "not an authenticator")),
        ("mydoor:Needs", "making mydoor:Needs failed"),
    ],
)
def test_what_is_no_authenticator_is_told(name: str, problem: str) -> None:
    with pytest.raises(StartError, match=problem) as failed:
        load_authenticator(name)
    assert failed.value.hint
