"""Settings from what a program gives: as they are, or nested as the settings file is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from keepline.errors import SettingsError
from keepline.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def settings_from(
    given: Settings | Mapping[str, Any] | None = None, **sections: Mapping[str, Any]
) -> Settings:
    """Return settings; what is in `sections` and not None wins over what is `given`.

    Raises SettingsError that names the setting.
    """
    if isinstance(given, Settings):
        given = given.model_dump(exclude_unset=True)
    document: dict[str, Any] = dict(given or {})
    for name, section in sections.items():
        chosen = {key: value for key, value in section.items() if value is not None}
        if chosen:
            document[name] = {**document.get(name, {}), **chosen}
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{place}: {first['msg']}".removeprefix(": "), "") from None
