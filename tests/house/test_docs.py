"""The documents say what is there: commands, names in the code, generated parts, decisions."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main

from keepline.cli.commands import app
from keepline.gateway.handler import Handler
from keepline.lifecycle.states import State
from keepline.wire.messages import KnownDeviceMessage, ServerMessage
from tests.examples.device import device_of
from tests.house.sources import ROOT, named
from tests.waiting import eventually
from tools import (
    alerts_page,
    faults_page,
    generated,
    grafana_page,
    handlers_page,
    metrics_page,
    readme_numbers,
    settings_page,
)

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
HANDLERS = ROOT / "docs" / "handlers.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))

FENCED = re.compile(r"^```[a-z]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHORED = re.compile(r"\[[^\]]*\]\((?!\w+:)([^)#\s]*)#([^)]+)\)")
IN_CODE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+)\.py:([A-Za-z_][\w.]*)`")
COMMANDS = ("make", "keepline", "python")


def commands(document: Path) -> Iterator[list[str]]:
    """Yield the words of every command of ours that stands in a block of its own."""
    for block in FENCED.findall(document.read_text("utf-8")):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if _is_command(line) else []
            while words and "=" in words[0] and words[0].isupper():
                words = words[1:]
            if words:
                yield words


def _is_command(line: str) -> bool:
    bare = re.sub(r"^(\$ )?(\w+=\S+ )*", "", line)
    return bare.split(" ")[0] in COMMANDS


def all_commands(program: str) -> list[tuple[Path, list[str]]]:
    return [
        (document, words)
        for document in DOCUMENTS
        for words in commands(document)
        if words[0] == program
    ]


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = all_commands("make")
    assert {named(document) for document, _ in asked} >= {"README.md", "CONTRIBUTING.md"}
    unknown = [(named(document), words) for document, words in asked if words[1] not in targets]
    assert unknown == []


def test_every_keepline_command_in_the_documents_exists_with_its_options() -> None:
    there = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    asked = all_commands("keepline")
    assert {words[1] for _, words in asked} >= {"serve", "enrol"}
    for document, words in asked:
        assert words[1] in there, (named(document), words)
        command, *rest = there[words[1]], *words[2:]
        if rest and not rest[0].startswith("-"):
            command = getattr(command, "commands", {}).get(rest[0], command)
        known = {option for each in command.params for option in each.opts}
        given = {word.split("=")[0] for word in words if word.startswith("--")}
        assert given <= known, (named(document), words)


def test_every_python_command_in_the_documents_exists() -> None:
    for document, words in all_commands("python"):
        if words[1] == "-m":
            assert importlib.util.find_spec(words[2]) is not None, (named(document), words)
        else:
            assert (ROOT / words[1]).exists(), (named(document), words)


def test_every_name_in_the_code_that_a_document_gives_is_there() -> None:
    wrong = []
    for document in DOCUMENTS:
        for path, name in IN_CODE.findall(document.read_text("utf-8")):
            found: Any = importlib.import_module(f"keepline.{path.replace('/', '.')}")
            for part in name.split("."):
                found = getattr(found, part, None)
            if found is None:
                wrong.append(f"{named(document)}: {path}.py:{name}")
    assert wrong == []


def test_links_into_a_page_lead_to_one_of_its_headings() -> None:
    broken = []
    for document in DOCUMENTS:
        for target, anchor in ANCHORED.findall(document.read_text("utf-8")):
            page = document.parent / target if target else document
            if page.suffix == ".md" and anchor not in _anchors(page):
                broken.append(f"{named(document)}: {target}#{anchor}")
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    "page",
    [
        settings_page,
        handlers_page,
        faults_page,
        alerts_page,
        metrics_page,
        grafana_page,
        readme_numbers,
    ],
    ids=lambda page: page.__name__,
)
def test_a_generated_part_is_fresh(page: Any) -> None:
    assert page.main(["--check"]) == 0, f"python -m {page.__name__}"


def test_a_stale_page_is_told_and_renewed_between_its_markers_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin part: generated -->old<!-- end part -->\nafter\n")

    def renew(text: str) -> str:
        return generated.renewed(text, "part", "new")

    assert generated.run("the command", page, renew, ["--check"]) == 1
    assert "stale: the command" in capsys.readouterr().err
    assert generated.run("the command", page, renew, []) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "new" in text
    assert "old" not in text
    assert generated.run("the command", page, renew, ["--check"]) == 0


def test_a_page_without_its_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="markers"):
        generated.renewed("nothing", "part", "new")


def test_the_readme_has_numbers_or_says_where_they_will_be(tmp_path: Path) -> None:
    assert "benchmarks.md" in readme_numbers.numbers(tmp_path / "missing.json")


def test_every_call_of_the_handler_contract_is_documented() -> None:
    calls = [name for name, _ in inspect.getmembers(Handler, inspect.isfunction)]
    text = HANDLERS.read_text("utf-8")
    missing = [name for name in calls if name[0] != "_" and f"| `{name}(" not in text]
    assert missing == []


def test_every_message_of_the_protocol_is_documented_with_its_fields() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    device, server = text.split("## What a device says")[1].split("## What a server says")
    for part, messages in ((device, KnownDeviceMessage), (server, ServerMessage)):
        for message in get_args(messages):
            assert f"\n| `{message.__struct_config__.tag}` |" in part, message
            missing = [name for name in message.__struct_fields__ if f"`{name}`" not in text]
            assert missing == [], message


def test_every_state_is_in_the_glossary_or_on_the_page_of_states() -> None:
    text = (ROOT / "docs" / "lifecycle.md").read_text("utf-8")
    assert [state for state in State if f"| {state} |" not in text] == []


def test_decisions_are_numbered_listed_and_have_their_four_parts() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    for number, page in enumerate(DECISIONS, start=1):
        assert page.name.startswith(f"{number:04}-"), named(page)
        text = page.read_text("utf-8")
        assert text.startswith(f"# {number:04} · "), named(page)
        for part in ("**Context.**", "**Decision.**", "**Measured", "**Consequence.**"):
            assert part in text, f"{named(page)}: {part}"
        assert page.name in listed, named(page)


async def test_a_frame_takes_the_four_hops_that_the_architecture_page_names(
    start_gateway: Any,
) -> None:
    hops: list[str] = []

    class Listener(Handler):
        def audio(self, session: Any, frame: bytes) -> None:
            stack = inspect.stack()
            ours = [each for each in stack if "/keepline/gateway/" in each.filename]
            hops.extend(each.function for each in reversed(ours))

    async with device_of(await start_gateway(Listener)) as device:
        await device.send(b"opus")
        await eventually(lambda: hops)
    section = ARCHITECTURE.read_text("utf-8").partition("## The four hops")[2].partition("\n## ")[0]
    listed = re.findall(r"^\d\. `[^:]+:(?:\w+\.)?(\w+)`", section, re.MULTILINE)
    assert hops == listed
    assert len(hops) == 4
