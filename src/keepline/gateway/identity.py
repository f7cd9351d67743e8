"""Who a device says it is, as far as its credentials allow."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """The ids of a device that was let in.

    `expires_at` and `issued_at` are its credentials' (wall clock): None for no end, and where
    they do not say when they were issued.
    """

    device_id: str
    client_id: str
    expires_at: float | None = None
    issued_at: float | None = None
