"""The form in which a web server wants its alerts: JSON with placeholders in its texts.

A placeholder is a name in braces, `{detail}`, within any text of the document; `{{` and `}}` are
braces. What is filled in is text in a document that was read before: it cannot become anything
else, whatever is in it, and nothing is run.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import DecodeError, json

from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FILE_BYTES: Final = 65_536
_PARTS: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FORMS: Final = files("keepline.monitor.notifiers") / "forms"


class Template:
    """A document that is filled in with each notice."""

    def __init__(self, text: bytes, known: Collection[str], *, where: str) -> None:
        """Check it. Raises StartError that names what is wrong, and where it came from."""
        try:
            self._document = json.decode(text)
        except DecodeError as error:
            raise StartError(f"{where} is no JSON: {error}", _HINT) from error
        self._known = known
        self._where = where
        _mapped(self._document, self._checked)

    def filled(self, texts: Mapping[str, str]) -> bytes:
        """Return the document with every placeholder's text."""

        def fill(text: str) -> str:
            return _PARTS.sub(lambda part: texts[part[1]] if part[1] else part[0][0], text)

        return json.encode(_mapped(self._document, fill))

    def _checked(self, text: str) -> str:
        for part in _PARTS.finditer(text):
            if part[0] in {"{{", "}}"}:
                continue
            if part[1] is None or part[1] not in self._known:
                known = ", ".join(f"{{{name}}}" for name in sorted(self._known))
                raise StartError(
                    f"{self._where}: {part[0]} in {text!r} is no placeholder",
                    f"there are {known}; a brace is written twice, {{{{ or }}}}",
                )
        return text


def read_template(name: str, known: Collection[str]) -> Template:
    """Return the template of that name, or in that file. Raises StartError."""
    form = _FORMS / f"{name}.json"
    if re.fullmatch(r"[a-z]+", name) and form.is_file():
        return Template(form.read_bytes(), known, where=f"the form {name}")
    path = Path(name)
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise StartError(
            f"alerts.template: cannot read {path}: {error.strerror}",
            f"give a file, or one of {', '.join(form_names())}",
        ) from error
    if len(text) > FILE_BYTES:
        raise StartError(f"{path} is larger than {FILE_BYTES} bytes", _HINT)
    return Template(text, known, where=str(path))


def form_names() -> list[str]:
    """Return the names of the templates that come with Keepline."""
    return sorted(each.name.removesuffix(".json") for each in _FORMS.iterdir())


def _mapped(part: Any, change: Any) -> Any:
    """Return a document with `change` made to every text in it, but for the names of fields."""
    if isinstance(part, str):
        return change(part)
    if isinstance(part, list):
        return [_mapped(each, change) for each in part]
    if isinstance(part, dict):
        return {name: _mapped(each, change) for name, each in part.items()}
    return part


_HINT: Final = "alerts.template takes a file of JSON with placeholders in its texts"
