"""PURE: which state a device's next session may begin with."""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple, Self

from keepline.simulation.violation import ViolationError

SLACK_S: Final = 15.0
"""What lies between the end of a session, as its handler sees it, and that of its claim."""


class Version(NamedTuple):
    """One state of one device: later ones are greater."""

    epoch: int
    version: int

    @classmethod
    def read(cls, device_id: str, state: bytes) -> Self:
        """Return what a handler's state says. Raises ViolationError for another device's."""
        owner, epoch, version = state.decode().split()
        if owner != device_id:
            raise ViolationError("state", f"{device_id} was given the state of {owner}")
        return cls(int(epoch), int(version))


class States:
    """One device. `window_s` is how long a state waits for it, in virtual time."""

    __slots__ = (
        "_acknowledged",
        "_device_id",
        "_epoch",
        "_left",
        "_newest",
        "_window",
        "_window_s",
    )

    def __init__(self, device_id: str, window_s: float) -> None:
        self._device_id = device_id
        self._window_s = window_s
        self._epoch = 0
        self._acknowledged: Version | None = None  # survives the end of the process
        self._left: Version | None = None  # is owed as long as the process lives
        self._newest = Version(0, 0)  # what nothing can be newer than
        # Between which moments the window of what is kept began; None while a session is there.
        self._window: tuple[float, float] | None = None

    def begin(self, restored: bytes | None, outcome: str, now: float) -> Version:
        """A session begins with a state or with none; return what its handler is to go on with."""
        floor = self._floor()
        is_over, may_be_over = self._is_over(now), self._may_be_over(now)
        if restored is None:
            if floor is not None and not may_be_over:
                raise ViolationError("state", f"{self._device_id} lost {floor}, told {outcome}")
            if outcome == "expired" and not may_be_over:
                raise ViolationError("state", f"{self._device_id} expired within its window")
            self._epoch += 1
            version = Version(self._epoch, 0)
            self._acknowledged = self._left = None
        else:
            version = Version.read(self._device_id, restored)
            if version > self._newest:
                raise ViolationError("state", f"{self._device_id} got {version}, never saved")
            if floor is not None and version < floor:
                raise ViolationError(
                    "state", f"{self._device_id} went back from {floor} to {version}"
                )
            if outcome != "resumed":
                raise ViolationError("state", f"{self._device_id} restored, but told {outcome}")
            if is_over:
                raise ViolationError("state", f"{self._device_id} resumed after its window")
        self._newest = max(self._newest, version)
        self._window = None
        return version

    def asked(self, state: bytes) -> None:
        """A handler has given its state: as long as this process lives, no older one is right."""
        version = Version.read(self._device_id, state)
        self._newest = max(self._newest, version)
        self._left = version if self._left is None else max(self._left, version)

    def saving(self, state: bytes) -> None:
        """A handler wants its state to be kept."""
        self._newest = max(self._newest, Version.read(self._device_id, state))

    def saved(self, state: bytes) -> None:
        """It was told that it is kept."""
        version = Version.read(self._device_id, state)
        kept = self._acknowledged
        self._acknowledged = version if kept is None else max(kept, version)

    def ended(self, now: float) -> None:
        """Its session has ended."""
        self._window = (now, now + SLACK_S)

    def settle(self) -> None:
        """What was left is on the disk by now."""
        if self._left is not None:
            self._acknowledged = max(self._acknowledged or self._left, self._left)

    def excuse(self) -> None:
        """What was not acknowledged may be gone, for a reason that was told."""
        self._left = None

    def forget(self) -> None:
        """All may be gone: the device was let in while its memory could not be asked."""
        self._left = self._acknowledged = None

    def crashed(self, now: float) -> None:
        """The process has died while it held the device."""
        self._left = None
        self._window = (now, inf)

    def restarted(self, now: float) -> None:
        """The next process is there: a window that was cut off begins now, or has begun before."""
        if self._window is not None and self._window[1] == inf:
            self._window = (self._window[0], now + SLACK_S)

    def _floor(self) -> Version | None:
        owed = [each for each in (self._acknowledged, self._left) if each is not None]
        return max(owed) if owed else None

    def _is_over(self, now: float) -> bool:
        return self._window is not None and now > self._window[1] + self._window_s + SLACK_S

    def _may_be_over(self, now: float) -> bool:
        return self._window is not None and now > self._window[0] + self._window_s - SLACK_S
