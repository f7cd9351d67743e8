"""Templates: filled in safely, and checked when they are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.errors import StartError
from keepline.monitor.alerts.alert import Status, What
from keepline.monitor.notifiers.template import FILE_BYTES, Template, form_names, read_template
from keepline.monitor.notifiers.words import PLACEHOLDERS, texts_of
from tests.unit.monitor.notifiers.notices import AT, notice

KNOWN = ("detail", "severity")


def filled(document: object, **texts: str) -> object:
    template = Template(json.dumps(document).encode(), KNOWN, where="here")
    return json.loads(template.filled({"detail": "d", "severity": "s"} | texts))


def test_placeholders_are_filled_in_wherever_there_is_text() -> None:
    document = {"a": ["{detail}", {"b": "<{severity}> {detail}"}], "n": 3, "x": None, "t": True}
    assert filled(document) == {"a": ["d", {"b": "<s> d"}], "n": 3, "x": None, "t": True}


def test_braces_are_written_twice() -> None:
    assert filled("{{detail}} {{}} {detail}") == "{detail} {} d"


@given(st.text())
def test_whatever_is_filled_in_stays_the_text_it_is(text: str) -> None:
    found = filled({"told": "<{detail}>", "other": "{severity}"}, detail=text)
    assert found == {"told": f"<{text}>", "other": "s"}


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    assert filled("{detail}", detail='{severity} {{ "} {x') == '{severity} {{ "} {x'


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{severty}", "{severty}"),
        ("{}", "{}"),
        ("{detail.__class__}", "{detail.__class__}"),
        ("{detail!r}", "{detail!r}"),
        ("a { b", "{"),
        ("a } b", "}"),
        ("{detail", "{"),
    ],
)
def test_what_is_no_placeholder_is_named_with_those_that_are(text: str, wrong: str) -> None:
    with pytest.raises(StartError) as error:
        filled({"deep": [{"down": text}]})
    assert f"here: {wrong} in {text!r} is no placeholder" in error.value.problem
    assert "{detail}, {severity}" in error.value.hint


@pytest.mark.parametrize("content", [b"", b"{detail}", b"{'a': 1}", b"\xff"])
def test_what_is_no_json_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "form.json"
    path.write_bytes(content)
    with pytest.raises(StartError, match="is no JSON"):
        read_template(str(path), KNOWN)


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"alerts\.template: cannot read") as error:
        read_template(str(tmp_path / "none.json"), KNOWN)
    assert "alertmanager" in error.value.hint
    path = tmp_path / "large.json"
    path.write_text(json.dumps("x" * FILE_BYTES))
    with pytest.raises(StartError, match="larger than"):
        read_template(str(path), KNOWN)


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "form.json"
    path.write_text('{"told": "{detail}"}')
    assert read_template(str(path), KNOWN).filled({"detail": "d"}) == b'{"told":"d"}'


@pytest.mark.parametrize("name", form_names())
def test_a_form_that_comes_with_keepline_can_be_filled_in(name: str) -> None:
    template = read_template(name, PLACEHOLDERS)
    assert json.loads(template.filled(texts_of(notice(), "gw-1")))


def test_alertmanager_gets_what_its_second_api_takes() -> None:
    template = read_template("alertmanager", PLACEHOLDERS)
    over = notice(What.RESOLVED, status=Status.RESOLVED, resolved_at=AT + 60)
    [opened] = json.loads(template.filled(texts_of(notice(), "gw-1")))
    [resolved] = json.loads(template.filled(texts_of(over, "gw-1")))
    assert opened["labels"] == resolved["labels"]  # by which it knows that it is the same
    assert all(isinstance(text, str) for text in opened["labels"].values())
    assert opened["labels"]["alertname"] == "keepline_memory_bytes"
    assert opened["startsAt"] == resolved["startsAt"] == "2027-01-15T08:00:00.000Z"
    assert opened["endsAt"] == "0001-01-01T00:00:00Z"  # the zero time of Go: not set
    assert resolved["endsAt"] == "2027-01-15T08:01:00.000Z"


@pytest.mark.parametrize(
    ("name", "path"),
    [("robot", ("text", "content")), ("feishu", ("content", "text")), ("slack", ("text",))],
)
def test_a_chat_robot_gets_a_text_of_three_lines(name: str, path: tuple[str, ...]) -> None:
    found = json.loads(read_template(name, PLACEHOLDERS).filled(texts_of(notice(), "gw-1")))
    for step in path:
        found = found[step]
    first, second, third = found.splitlines()
    assert first.startswith("Keepline gw-1: high, memory")
    assert "since 2027-01-15" in second
    assert "done: idle buffers shrunk" in second
    assert third == "See what it is."
