"""What is not Python: locks, make targets, links between the documents."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.house.sources import ROOT, named

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:|#)([^)#\s]+)(?:#[^)]*)?\)")
REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)==\S+(?: ;.*)? \\$", re.MULTILINE)


def test_there_is_a_lock_for_running_building_testing_and_measuring() -> None:
    assert [path.stem for path in LOCKS] == ["bench", "page", "run", "test"]


@pytest.mark.parametrize("lock", LOCKS, ids=named)
def test_a_lock_names_no_place_to_download_from(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "://" not in text
    options = [line for line in text.splitlines() if line.startswith("-")]
    assert options == []


@pytest.mark.parametrize("lock", LOCKS, ids=named)
def test_every_requirement_of_a_lock_has_hashes(lock: Path) -> None:
    requirements = re.split(r"\n(?=\S)", lock.read_text("utf-8"))
    unhashed = [each for each in requirements if not each.startswith("#") and "--hash" not in each]
    assert unhashed == []


def test_every_dependency_is_in_its_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = {
        "run": [*project["project"]["dependencies"], *project["dependency-groups"]["build"]],
        "page": project["dependency-groups"]["page"],
        "test": project["dependency-groups"]["test"],
        "bench": project["dependency-groups"]["bench"],
    }
    for lock in LOCKS:
        locked = {name.lower() for name in REQUIREMENT.findall(lock.read_text("utf-8"))}
        names = {re.split(r"[<>=\[ ]", each)[0].lower() for each in wanted[lock.stem]}
        assert names - locked == set(), named(lock)


def test_the_locks_agree_on_every_version() -> None:
    """A package may have two versions, for older and newer Pythons, but the same two everywhere."""
    seen: dict[str, tuple[str, set[str]]] = {}
    for lock in LOCKS:
        lines = re.findall(r"^(\S+)==(.*) \\$", lock.read_text("utf-8"), re.MULTILINE)
        for name in {name for name, _ in lines}:
            versions = {version.partition(" ;")[0] for other, version in lines if other == name}
            first, expected = seen.setdefault(name, (lock.stem, versions))
            assert versions == expected, f"{name} differs between {first} and {lock.stem}"


def test_every_make_target_is_phony_and_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    targets = re.findall(r"^([a-z]+):.*?(##.*)?$", makefile, re.MULTILINE)
    assert {name for name, _ in targets} == set(phony.split())
    assert [name for name, explanation in targets if not explanation] == []


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
    broken = [
        f"{named(document)}: {target}"
        for document in documents
        for target in LINK.findall(document.read_text("utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_a_test_that_hangs_ends_the_run_and_is_named_in_it() -> None:
    """Another process in the place of one that died may wait for ever, and nothing be told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    options = project["tool"]["pytest"]["ini_options"]
    assert options["faulthandler_exit_on_timeout"]
    assert 60 < options["faulthandler_timeout"] <= 300  # of the twenty minutes of a server
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (command,) = re.findall(r"^\t.*pytest -n \d.*$", makefile, re.MULTILINE)
    assert "--max-worker-restart 0" in command
    for early in (" -x", "--exitfirst", "--maxfail", "--no-summary"):
        assert early not in command + options["addopts"]


def test_the_dashboard_s_packages_have_exact_versions_and_their_lock_names_no_place() -> None:
    package = json.loads((ROOT / "dashboard" / "package.json").read_text("utf-8"))
    assert "dependencies" not in package  # all of it is built in
    inexact = [
        name
        for name, version in package["devDependencies"].items()
        if not re.fullmatch(r"\d+\.\d+\.\d+", version)
    ]
    assert inexact == []
    lock = (ROOT / "dashboard" / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in lock
    locked = json.loads(lock)["packages"]
    assert [name for name, each in locked.items() if name and "integrity" not in each] == []
