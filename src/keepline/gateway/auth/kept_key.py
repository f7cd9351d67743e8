"""A signing key of our own making, kept beside the state, for whoever names none."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from keepline.errors import StartError
from keepline.gateway.auth.keys import read_key_file
from keepline.gateway.sockets import only_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keepline.settings import Settings

KEY_FILE: Final = "token.keys"
SECRET_BYTES: Final = 32
OWNER_ONLY: Final = 0o600


def with_kept_key(settings: Settings, draw: Callable[[int], bytes]) -> Settings:
    """Return the settings with mode `signed` and a key in `data_dir`, made if it is not there.

    That is what `auth.mode` `auto` means on a network when neither a token nor keys are given:
    each device has a token of its own, and none is void after a restart. Other settings are
    returned as they are. `draw` returns that many random bytes. Raises StartError.
    """
    if settings.data_dir is None or not keeps_key(settings):
        return settings
    path = settings.data_dir / KEY_FILE
    try:
        if not path.exists():
            _make(path, draw(SECRET_BYTES).hex(), path.with_name(f".{KEY_FILE}.{draw(8).hex()}"))
    except OSError as error:
        raise StartError(
            f"cannot keep the key for tokens in {path}: {error.strerror}",
            "give --data a directory that this user may write",
        ) from error
    read_key_file(path)  # says what is wrong with it
    signed = settings.auth.model_copy(update={"mode": "signed", "key_file": path})
    return settings.model_copy(update={"auth": signed})


def keeps_key(settings: Settings) -> bool:
    """Return whether `with_kept_key` signs with a key of its own."""
    auth = settings.auth
    names_none = auth.mode == "auto" and auth.token is None and not (auth.keys or auth.key_file)
    is_asked_for = names_none and not auth.insecure and not only_this_machine(settings)
    return is_asked_for and settings.data_dir is not None


def _make(path: Path, secret: str, draft: Path) -> None:
    """Write the file whole or not at all; who was faster made the one that counts."""
    # Exclusively: a draft that somebody else has put there would be theirs to read.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f'[[key]]\nid = "1"\nsecret = "{secret}"\n')
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
