"""Token buckets against guessing, in memory.

Each replica of the proxy counts for itself: with N replicas, N times as many
attempts pass. A limit across replicas would need a write to the API server for
each wrong password, which is a better lever for an attacker than the guesses.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_KEYS: Final = 10_000
"""Buckets that are remembered, of each limiter; about 2 MB."""
IPV6_PREFIX: Final = 64
"""One subscriber has at least so many addresses; they count as one."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """A bucket for each key that holds a minute's worth and fills up steadily.

    Memory is bounded: beyond ``max_keys`` the bucket untouched for longest is
    forgotten, which fills it. Who wants to profit needs that many other keys.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        max_keys: int = MAX_KEYS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._max_keys = max_keys
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str) -> int:
        """Pay for one attempt; return 0, or the whole seconds until there is something to pay."""
        bucket = self._filled(key)
        if bucket.tokens < 1:
            return max(1, math.ceil((1 - bucket.tokens) / self._per_second))
        bucket.tokens -= 1
        return 0

    def refund(self, key: str) -> None:
        """Return what an attempt cost that should not count, such as a right password."""
        bucket = self._filled(key)
        bucket.tokens = min(self._capacity, bucket.tokens + 1)

    def _filled(self, key: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(key, None) or _Bucket(self._capacity, now)
        bucket.tokens = min(
            self._capacity, bucket.tokens + (now - bucket.filled_at) * self._per_second
        )
        bucket.filled_at = now
        self._buckets[key] = bucket  # now the most recently used
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return bucket


def address_key(address: str) -> str:
    """Return what one client address counts as: itself, or its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
    return str(parsed)
