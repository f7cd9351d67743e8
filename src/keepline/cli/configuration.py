"""From file, environment and flags to `Settings`; flags win over environment over file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from keepline.cli.known import Known, known_settings, may_be_none, nearest
from keepline.errors import SettingsError, StartError
from keepline.log import HIDDEN, clean
from keepline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

ENVIRONMENT_PREFIX = "KEEPLINE_"


class Given(NamedTuple):
    """A value somebody gave for a setting, and where."""

    value: object
    origin: str


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    assignments: Sequence[str] = (),
    flags: Mapping[str, Given] | None = None,
) -> Settings:
    """Return the settings of all sources together.

    `assignments` are `section.key=value`; `flags` maps a dotted name to the value of the option
    that stands for it. Raises StartError for a file that cannot be read, SettingsError for a name
    that does not exist or a value that is not allowed.
    """
    known = known_settings()
    given = {
        **_from_file(file),
        **_from_environment(environment or {}, known),
        **_from_assignments(assignments),
        **(flags or {}),
    }
    known = known_settings(given)
    for name, (_, origin) in given.items():
        if name not in known:
            raise SettingsError(f"{origin}: there is no setting {name}", nearest(name, known))
    try:
        return Settings.model_validate(_nested(given, known))
    except ValidationError as error:
        raise _explained(error.errors(), given, known) from None


def _from_file(path: Path | None) -> dict[str, Given]:
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartError(
            f"cannot read the settings file {path}: {error.strerror}",
            "give --config a TOML file that this user may read",
        ) from error
    except ValueError as error:  # no TOML, or not even UTF-8
        raise StartError(f"{path} is not TOML: {error}", "a line is: key = value") from error
    return dict(_flat(document, origin=str(path)))


def _flat(table: dict[str, Any], origin: str, prefix: str = "") -> list[tuple[str, Given]]:
    found: list[tuple[str, Given]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _flat(value, origin, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", Given(value, origin)))
    return found


def _from_environment(variables: Mapping[str, str], known: dict[str, Known]) -> dict[str, Given]:
    """Take what is ours: `KEEPLINE_SECTION__KEY`, or the name of a setting without a section.

    Others are left alone: an orchestrator that runs a service called "keepline" sets
    KEEPLINE_PORT and KEEPLINE_SERVICE_HOST for reasons of its own. Raises SettingsError for a
    name that lacks its second underscore: left alone, a token would be no token.
    """
    found = {}
    for variable, value in variables.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
        if "." in name or name in known:
            found[name] = Given(value, variable)
        elif "://" not in value:  # which an orchestrator gives a service "keepline-server"
            _check_underscores(variable, name, known)
    return found


def _check_underscores(variable: str, name: str, known: dict[str, Known]) -> None:
    for full in known:
        if "." in full and full.replace(".", "_") == name:
            right = ENVIRONMENT_PREFIX + full.replace(".", "__").upper()
            raise SettingsError(f"{variable} is no setting", f"did you mean {right}?")


def _from_assignments(assignments: Sequence[str]) -> dict[str, Given]:
    found = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not name.strip():
            raise SettingsError(
                f"--set {clean(assignment)} names no setting", "write --set section.key=value"
            )
        if not separator:
            raise SettingsError(
                f"--set {clean(assignment)} gives no value", "write --set section.key=value"
            )
        found[name.strip()] = Given(value.strip(), "--set")
    return found


def _nested(given: Mapping[str, Given], known: Mapping[str, Known]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, (value, _) in given.items():
        *tables, key = name.split(".")
        table = document
        for step in tables:
            table = table.setdefault(step, {})
        table[key] = None if value == "none" and may_be_none(known[name].annotation) else value
    return document


def _explained(
    errors: list[ErrorDetails], given: Mapping[str, Given], known: Mapping[str, Known]
) -> SettingsError:
    lines = list(dict.fromkeys(_explained_one(error, given, known) for error in errors))
    if len(lines) == 1:
        return SettingsError(*lines[0])
    hints = "\n".join(f"{problem}: {hint}" for problem, hint in lines)
    return SettingsError(f"{len(lines)} settings are wrong", hints)


def _explained_one(
    error: ErrorDetails, given: Mapping[str, Given], known: Mapping[str, Known]
) -> tuple[str, str]:
    steps = [str(step) for step in error["loc"]]
    place = ".".join(steps[: 3 if steps[:1] == ["profiles"] else 2])  # then a union's member
    if place in known:
        value, origin = given[place]
        shown = HIDDEN if known[place].secret else repr(clean(str(value)))
        default = known[place].default
        allowed = f"it takes {known[place].allowed}"
        if error["type"] == "value_error" and not known[place].secret:
            allowed = clean(str(error["ctx"]["error"]))  # its own words are more exact
        hint = f"{allowed}; the default is {default or 'none'}"
        return f"{place} cannot be {shown} ({origin})", hint
    # Two settings that contradict each other; the message names them.
    message = str(error.get("ctx", {}).get("error", error["msg"]))
    inside = [name for name in given if name.startswith(place)]
    named = [name for name in inside if name.rpartition(".")[2] in message] or [
        name for name in inside if name.rpartition(".")[0] in f"{place}.{message}"
    ]
    sources = ", ".join(f"{name} comes from {given[name].origin}" for name in named)
    return f"{place}.{message}".lstrip("."), f"{sources}; what is not given has its default"
