"""From a name to a handler class, and what is said when there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepline.cli.handler_name import load_handler
from keepline.errors import StartError
from keepline.handlers.echo import Echo


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory to stand in; modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(name: str) -> StartError:
    with pytest.raises(StartError) as failure:
        load_handler(name)
    return failure.value


def test_echo_is_built_in() -> None:
    assert load_handler("echo") is Echo


def test_a_class_is_found_in_the_directory_keepline_was_started_in(here: Path) -> None:
    (here / "mine_found.py").write_text(
        "from keepline.gateway.handler import Handler\nclass Mine(Handler): pass\n"
    )
    assert load_handler("mine_found:Mine").__name__ == "Mine"


@pytest.mark.parametrize("name", ["myapp", ":Assistant", "myapp:", ""])
def test_a_name_of_another_form_says_which_form_is_meant(name: str) -> None:
    error = refused(name)
    assert error.problem == f"{name!r} names no handler"
    assert "MODULE:CLASS" in error.hint
    assert "echo" in error.hint


def test_a_missing_module_names_the_directory_that_does_not_hold_it(here: Path) -> None:
    error = refused("nowhere_at_all:Assistant")
    assert error.problem == "there is no module nowhere_at_all"
    assert str(here) in error.hint


def test_a_file_s_name_in_place_of_its_module_s_is_told_apart(here: Path) -> None:
    (here / "mine_on_file.py").write_text("")
    error = refused("mine_on_file.py:Assistant")
    assert error.hint == "write mine_on_file: the module's name, not its file's"


def test_a_missing_package_of_a_dotted_name_is_named(here: Path) -> None:
    assert refused("nowhere_at_all.inner:Assistant").problem == "there is no module nowhere_at_all"


def test_a_module_that_misses_another_says_where(here: Path) -> None:
    (here / "mine_lacking.py").write_text("\nimport nowhere_at_all\n")
    error = refused("mine_lacking:Assistant")
    assert error.problem.startswith("importing mine_lacking failed: ModuleNotFoundError")
    assert error.hint == f"look at {here / 'mine_lacking.py'}, line 2"


def test_a_module_with_a_mistake_says_where(here: Path) -> None:
    (here / "mine_wrong.py").write_text("x = 1\n\n1 / 0\n")
    error = refused("mine_wrong:Assistant")
    assert error.problem == "importing mine_wrong failed: ZeroDivisionError: division by zero"
    assert error.hint == f"look at {here / 'mine_wrong.py'}, line 3"


def test_a_missing_class_brings_the_handlers_of_its_module() -> None:
    error = refused("keepline.handlers.echo:Ecco")
    assert error.problem == "keepline.handlers.echo has no Ecco"
    assert error.hint == "its handlers: Echo"


def test_a_module_without_any_handler_says_so() -> None:
    assert refused("json:Assistant").hint == "it has no handler at all"


@pytest.mark.parametrize("name", ["json:loads", "json:JSONDecoder"])
def test_what_is_no_handler_says_what_to_derive_from(name: str) -> None:
    error = refused(name)
    assert error.problem == f"{name} is not a handler"
    assert "keepline.Handler" in error.hint


def test_a_module_that_is_no_python_says_which_line(here: Path) -> None:
    (here / "mine_broken.py").write_text("x = 1\n\ndef broken(:\n    pass\n")
    error = refused("mine_broken:Assistant")
    assert error.problem == "importing mine_broken failed: invalid syntax"
    assert error.hint == f"look at {here / 'mine_broken.py'}, line 3"


def test_a_handler_that_could_never_work_is_refused_with_its_line(here: Path) -> None:
    (here / "mine_misspelt.py").write_text(
        "from keepline.gateway.handler import Handler\n"
        "class Mine(Handler):\n"
        "    def on_text(self, session, message): pass\n"
    )
    error = refused("mine_misspelt:Mine")
    assert error.problem == "Mine.on_text is never called"
    assert f"{here / 'mine_misspelt.py'}, line 3" in error.hint
