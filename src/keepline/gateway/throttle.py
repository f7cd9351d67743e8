"""How often something may happen for one key, an address or a device: bounded token buckets."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import NamedTuple

IPV6_PREFIX_BITS = 64
"""One household or one attacker has a whole /64 to choose addresses from."""

_IPV6_PREFIX = ((1 << IPV6_PREFIX_BITS) - 1) << (128 - IPV6_PREFIX_BITS)


class _Bucket(NamedTuple):
    tokens: float
    at: float


class Throttle:
    """A token bucket for each key: `burst` at once, then one every `refill_s`.

    Holds `most_keys` at most. Beyond it the key that was used longest ago is forgotten, so a flood
    of keys loosens the limit for others and never costs memory.
    """

    __slots__ = ("_buckets", "_burst", "_most_keys", "_refill_s")

    def __init__(self, *, burst: int, refill_s: float, most_keys: int = 16_384) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._most_keys = most_keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, key: str, now: float) -> float:
        """Return how long `key` has to wait before it may take again; 0 for not at all."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else max(0.0, 1.0 - self._filled(bucket, now)) * self._refill_s

    def take(self, key: str, now: float) -> bool:
        """Take once; False when there is nothing left to take."""
        bucket = self._buckets.get(key)
        tokens = self._burst if bucket is None else self._filled(bucket, now)
        taken = tokens >= 1.0
        self._buckets[key] = _Bucket(tokens - 1.0 if taken else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return taken

    def forget_full(self, now: float) -> None:
        """Forget the keys that have their whole burst back: nothing changes for them by it."""
        whole_s = self._burst * self._refill_s
        while self._buckets:
            key = next(iter(self._buckets))  # the one that took longest ago
            if now - self._buckets[key].at < whole_s:
                break
            del self._buckets[key]

    def forget(self, key: str) -> None:
        """Give `key` its whole burst back."""
        self._buckets.pop(key, None)

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.tokens + (now - bucket.at) / self._refill_s)


def address_key(address: str) -> str:
    """Return what addresses of one origin have in common: an IPv4 address, an IPv6 /64 prefix."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    # As `ip_network` would have it, five times as fast: this is done for every accept.
    return f"{ipaddress.IPv6Address(int(ip) & _IPV6_PREFIX)}/{IPV6_PREFIX_BITS}"
