"""The settings of one worker: its part of what is meant for the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.app.cluster import node_name
from keepline.gateway.auth.kept_key import with_kept_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keepline.app.workers.post import Post
    from keepline.settings import Settings
    from keepline.settings.enrolment import Enrolment

DATA_FOLDER: Final = "workers"
"""Below the data directory: of each worker a directory of its own."""

MOST_NAME: Final = 61  # and a slot
OWNER_ONLY: Final = 0o700


def settings_at(post: Post, settings: Settings, draw: Callable[[int], bytes] | None) -> Settings:
    """Return the settings of the worker at `post`.

    The rate of a drain is shared out, and each has a directory of its own for its state. The key
    for tokens is the same for all: `draw` returns that many random bytes for one, None where
    somebody else judges. Among nodes a worker's name has its slot behind it; none enrols devices.
    Raises StartError.
    """
    node = f"{node_name(settings)[:MOST_NAME]}-{post.slot}"
    cluster = settings.cluster.model_copy(update={"node": node})
    settings = settings.model_copy(update={"cluster": cluster, "enrolment": _enrolment(settings)})
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


def shared_directory(settings: Settings) -> Path | None:
    """Return the directory of all workers, from the settings of one; None without any."""
    return None if settings.data_dir is None else settings.data_dir.parent.parent


def _enrolment(settings: Settings) -> Enrolment:
    """Return what becomes of the configuration address: who waits for a code is not shared."""
    given = settings.enrolment
    policy = "upstream" if given.upstream_url is not None else "off"
    return given.model_copy(update={"policy": policy}) if given.policy == "auto" else given
