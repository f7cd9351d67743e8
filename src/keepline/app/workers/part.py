"""The settings of one worker: its part of what is meant for the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.gateway.auth.kept_key import with_kept_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.app.workers.post import Post
    from keepline.settings import Settings

DATA_FOLDER: Final = "workers"
"""Below the data directory: of each worker a directory of its own."""

OWNER_ONLY: Final = 0o700


def settings_at(post: Post, settings: Settings, draw: Callable[[int], bytes] | None) -> Settings:
    """Return the settings of the worker at `post`.

    The rate of a drain is shared out, and each has a directory of its own for its state. The key
    for tokens is the same for all: `draw` returns that many random bytes for one, None where
    somebody else judges. Raises StartError.
    """
    rate = settings.drain.rate_per_s
    if rate is not None:
        drain = settings.drain.model_copy(update={"rate_per_s": rate / post.many})
        settings = settings.model_copy(update={"drain": drain})
    if settings.data_dir is None:
        return settings
    own = settings.data_dir / DATA_FOLDER / str(post.slot)
    own.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY)
    if draw is not None:
        settings = with_kept_key(settings, draw)
    return settings.model_copy(update={"data_dir": own})
