"""Who is enrolled and who is revoked: answered from memory, written to its store first."""

from __future__ import annotations

import asyncio
import hmac
import math
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from keepline.gateway.enrolment.applicant import device_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from keepline.gateway.enrolment.applicant import Applicant


Voucher: TypeAlias = Literal["operator", "proof"]


class Entry(NamedTuple):
    """One device. Times are of the wall clock.

    `client_digest` is empty until somebody vouched for a client id: `vouched_by` says who,
    `operator` or `proof`. Tokens issued before `not_before` are void, all are while `revoked`.
    """

    device_id: str
    client_digest: str = ""
    enrolled_at: float = 0.0
    vouched_by: str = ""
    board: str = ""
    address: str = ""
    not_before: float = 0.0
    revoked: bool = False

    @property
    def is_enrolled(self) -> bool:
        """Whether somebody vouched for it, and nobody revoked it."""
        return bool(self.client_digest) and not self.revoked

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing is left but the moment before which tokens are void."""
        return not self.client_digest and not self.revoked


_UNKNOWN = Entry("")


class Store(Protocol):
    """Where entries outlive the process. Blocks; called in an executor, one call at a time."""

    def load(self) -> Iterable[Entry]:
        """Return every entry. Raises StartError when that cannot be done."""

    def put(self, entry: Entry) -> None:
        """Keep an entry in place of the device's former one; durable on return.

        Raises LedgerError.
        """


class Memory:
    """Keeps nothing beyond the process."""

    def load(self) -> Iterable[Entry]:
        """Nothing was kept."""
        return ()

    def put(self, entry: Entry) -> None:
        """The ledger has it in memory already."""


class Ledger:
    """The entries of all devices by their id; `Revocations` of the tokens they were given.

    `on_void` is called with the id of a device whose tokens are void from now on.
    """

    def __init__(
        self, store: Store, loop: asyncio.AbstractEventLoop, executor: Executor | None
    ) -> None:
        self._store = store
        self._loop = loop
        self._executor = executor
        self._entries: dict[str, Entry] = {}
        self._enrolled = self._revoked = 0
        self._writing = asyncio.Lock()
        self.on_void: Callable[[str], object] = lambda _device_id: None

    @property
    def is_kept(self) -> bool:
        """Whether it outlives the process."""
        return not isinstance(self._store, Memory)

    async def open(self) -> None:
        """Read what the store has. Raises StartError."""
        entries = await self._loop.run_in_executor(self._executor, self._store.load)
        self._entries, self._revoked, self._enrolled = {}, 0, 0
        for entry in entries:
            self._enter(entry)

    async def reopen(self) -> None:
        """Read the store again, where another process has written it; void what that revoked.

        Raises StartError; then nothing has changed.
        """
        async with self._writing:
            known = self._entries
            await self.open()
        for entry in self._entries.values():
            if entry.not_before > known.get(entry.device_id, _UNKNOWN).not_before:
                self.on_void(entry.device_id)

    def __iter__(self) -> Iterator[Entry]:
        """Yield who is enrolled or revoked."""
        return (entry for entry in self._entries.values() if not entry.is_forgotten)

    def count_by_state(self) -> dict[str, int]:
        """Return how many are `enrolled` and how many `revoked`; looks at none of them."""
        return {"enrolled": self._enrolled, "revoked": self._revoked}

    def find(self, device_id: str) -> Entry | None:
        """Return the entry of a device, also when it was forgotten."""
        return self._entries.get(device_key(device_id))

    def is_enrolled(self, applicant: Applicant) -> bool:
        """Whether somebody vouched for this client id of this device, and nobody revoked it."""
        entry = self.find(applicant.device_id)
        return entry is not None and not entry.revoked and _is_client(entry, applicant)

    def is_barred(self, applicant: Applicant) -> bool:
        """Whether this device was revoked, as the client that was known, or before one was."""
        entry = self.find(applicant.device_id)
        return (
            entry is not None
            and entry.revoked
            and (not entry.client_digest or _is_client(entry, applicant))
        )

    def is_revoked(self, device_id: str, issued_at: float | None) -> bool:
        """Whether a token of that moment is void; a shared one, None, is while `revoked`."""
        entry = self._entries.get(device_key(device_id))
        if entry is None:
            return False
        return entry.revoked or (issued_at is not None and issued_at < entry.not_before)

    def issue_at(self, device_id: str, now_wall: float) -> float:
        """Return the moment to write into a token, so that it is not void from the start."""
        entry = self.find(device_id)
        return now_wall if entry is None else max(now_wall, entry.not_before)

    async def enrol(
        self, applicant: Applicant, vouched_by: Voucher, now_wall: float
    ) -> Entry | None:
        """Vouch for this client of this device; another one it had is no longer valid.

        None when the device is revoked, which an operator alone undoes. Raises LedgerError; then
        nothing has changed.
        """
        async with self._writing:
            former = self.find(applicant.device_id)
            if former is not None and former.revoked and vouched_by != "operator":
                return None
            changes = former is not None and former.client_digest != applicant.client_digest
            not_before = former.not_before if former is not None else 0.0
            entry = Entry(
                device_key(applicant.device_id),
                applicant.client_digest,
                now_wall,
                vouched_by,
                applicant.board,
                applicant.address,
                _next_second(now_wall) if changes else not_before,
            )
            await self._put(entry)
            self._enter(entry)
            if changes:
                self.on_void(entry.device_id)
            return entry

    async def revoke(self, device_id: str, now_wall: float) -> Entry:
        """Void a device's tokens and have it refused; one that is not known is, too.

        Raises LedgerError; then it holds until this process ends, and was not written.
        """
        async with self._writing:
            former = self.find(device_id) or Entry(device_key(device_id))
            entry = former._replace(revoked=True, not_before=_next_second(now_wall))
            self._enter(entry)  # what is withdrawn need not wait for a disk
            self.on_void(entry.device_id)
            await self._put(entry)
            return entry

    async def forget(self, device_id: str, now_wall: float) -> bool:
        """Make a device a stranger again, whose former tokens are void; False if it was one.

        Raises LedgerError; then nothing has changed.
        """
        async with self._writing:
            former = self.find(device_id)
            if former is None or former.is_forgotten:
                return False
            entry = Entry(former.device_id, not_before=_next_second(now_wall))
            await self._put(entry)
            self._enter(entry)
            self.on_void(entry.device_id)
            return True

    def _enter(self, entry: Entry) -> None:
        former = self._entries.get(entry.device_id, _UNKNOWN)
        self._revoked += entry.revoked - former.revoked
        self._enrolled += entry.is_enrolled - former.is_enrolled
        self._entries[entry.device_id] = entry

    async def _put(self, entry: Entry) -> None:
        await self._loop.run_in_executor(self._executor, self._store.put, entry)


def _is_client(entry: Entry, applicant: Applicant) -> bool:
    return hmac.compare_digest(entry.client_digest, applicant.client_digest)


def _next_second(now_wall: float) -> float:
    """Return the end of this second: tokens carry whole ones, rounded down."""
    return math.floor(now_wall) + 1.0
