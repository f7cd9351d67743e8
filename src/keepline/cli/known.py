"""Every setting there is: its dotted name, its default, and in words what it may be."""

from __future__ import annotations

from dataclasses import is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, StringConstraints

from keepline.settings import Settings
from keepline.settings.profiles import named

if TYPE_CHECKING:
    from collections.abc import Iterable


class Known(NamedTuple):
    """One setting. `allowed` completes the sentence "it takes …"; a secret is never shown."""

    annotation: Any
    default: object
    allowed: str
    secret: bool = False


def known_settings(asked_for: Iterable[str] = ()) -> dict[str, Known]:
    """Return every setting by its dotted name, in the order of `Settings`.

    Of the tables that anybody may add, the built-in ones, and each one named in `asked_for`.
    """
    known = dict(_walk(Settings(), prefix=""))
    for name in asked_for:
        section, _, rest = name.partition(".")
        added, separator, _ = rest.partition(".")
        prefix = f"{section}.{added}."
        if section == "profiles" and separator and f"{prefix}match" not in known:
            known.update(_walk_table(named(added), prefix))
    return known


def nearest(name: str, known: dict[str, Known]) -> str:
    """Return advice for a name that does not exist: the likely one, or what its section has."""
    section, _, key = name.rpartition(".")
    keys = {full.rpartition(".")[2]: full for full in known if full.rpartition(".")[0] == section}
    if section and keys:
        matches = [keys[likely] for likely in get_close_matches(key, keys, n=1, cutoff=0.6)]
    elif inside := [full for full in known if full.startswith(f"{name}.")]:
        return f"the section {name} has: {', '.join(inside)}"
    else:
        matches = get_close_matches(name, known, n=1, cutoff=0.6)
    matches = matches or [full for full in known if full.rpartition(".")[2] == key]
    if matches:
        return f"did you mean {matches[0]}?"
    while section:
        if inside := [full for full in known if full.startswith(f"{section}.")]:
            return f"the section {section} has: {', '.join(inside)}"
        section = section.rpartition(".")[0]
    return f"there are: {', '.join(dict.fromkeys(full.partition('.')[0] for full in known))}"


def may_be_none(annotation: Any) -> bool:
    """Return whether `none` stands for None here: wherever it could not be meant as text."""
    members = {_bare(member) for member in _members(annotation)}
    return NoneType in members and bool(members & {int, float})


def _walk(section: Any, prefix: str) -> list[tuple[str, Known]]:
    found: list[tuple[str, Known]] = []
    for name, annotation in get_type_hints(type(section), include_extras=True).items():
        if name == "model_config":
            continue
        value = getattr(section, name)
        if isinstance(value, BaseModel) or is_dataclass(value):
            found += _walk(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            for added, table in value.items():
                found += _walk_table(table, f"{prefix}{name}.{added}.")
        else:
            allowed = _allowed(annotation, name)
            known = Known(annotation, value, allowed, secret=_is_secret(section, name))
            found.append((f"{prefix}{name}", known))
    return found


def _is_secret(section: Any, name: str) -> bool:
    return isinstance(section, BaseModel) and not type(section).model_fields[name].repr


def _walk_table(table: Any, prefix: str) -> list[tuple[str, Known]]:
    """Walk one of several tables of a kind; its own name is its key and no setting."""
    return [(full, known) for full, known in _walk(table, prefix) if full != f"{prefix}name"]


def _allowed(annotation: Any, name: str) -> str:
    words = [_allowed_one(member, name) for member in _members(annotation)]
    if may_be_none(annotation):
        words.append("none")
    return " or ".join(filter(None, words))


def _allowed_one(annotation: Any, name: str) -> str:
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(get_args(annotation))}"
    bounds = _bounds(annotation)
    kind = _bare(annotation)
    if kind in {int, float}:
        number = "a whole number" if kind is int else "a number"
        return " ".join(filter(None, [number, _unit(name), bounds]))
    if kind is str:
        return bounds or "text"
    if kind is bool:
        return "true or false"
    if get_origin(kind) is tuple:
        return "texts, separated by commas"
    return "a path" if kind is Path else ""


def _unit(name: str) -> str:
    if name.endswith("_per_s"):
        return "per second"
    return {"s": "of seconds", "bytes": "of bytes"}.get(name.rpartition("_")[2], "")


def _bounds(annotation: Any) -> str:
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    words = []
    for bound in metadata:
        if isinstance(bound, StringConstraints):
            words.append(f"1 to {bound.max_length} ASCII characters without spaces")
        elif isinstance(bound, Ge):
            words.append(f"from {bound.ge}")
        elif isinstance(bound, Gt):
            words.append(f"above {bound.gt}")
        elif isinstance(bound, Le):
            words.append(f"to {bound.le}")
    return " ".join(words)


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
