"""Token buckets against guessing, in memory.

Each replica of the proxy counts separately: with N replicas, N times as many attempts pass. A limit
across replicas would need a write to the API server for each wrong password. That write would help
an attacker more than the additional guesses.

Memory is bounded whatever clients send, and a correct password returns its token. The library
``limits`` has neither (docs/adr/0036).
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_KEYS: Final = 10_000
"""Number of buckets that each limiter keeps, about 2 MB."""
IPV6_PREFIX: Final = 64
"""Prefix length that counts as one address, because a subscriber has at least one such network."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Token buckets by key. Each holds the tokens of one minute and refills steadily.

    Memory is bounded: beyond ``max_keys`` the least recently used bucket is dropped, which refills
    it. An attacker needs that many other keys to profit.
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
        """Take one token and return 0, or return the whole seconds until there is one."""
        bucket = self._filled(key)
        if bucket.tokens < 1:
            return max(1, math.ceil((1 - bucket.tokens) / self._per_second))
        bucket.tokens -= 1
        return 0

    def refund(self, key: str) -> None:
        """Return the token of an attempt that should not count, such as a correct password."""
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
    """Return the key of a client address: the address itself, or its /64 for IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
    return str(parsed)
