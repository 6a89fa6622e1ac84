"""Limits registrations, for each client address and in total."""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from wegent_api.http.errors import TooManyRequests
from wegent_api.http.rate_limiter import RateLimiter, address_key
from wegent_api.http.state import FromState


class RegistrationLimit:
    """One bucket for each client address, and one for all of them together.

    The second one limits an attacker with many addresses. An address whose own bucket is empty
    takes nothing from the others.
    """

    def __init__(
        self, *, per_address: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._addresses = RateLimiter(per_address, clock=clock)
        self._total = RateLimiter(total, max_keys=1, clock=clock)

    def check(self, address: str) -> None:
        """Take the tokens of one registration from an address.

        Raises:
            TooManyRequests: the bucket of the address, or the one of all addresses, is empty.
        """
        key = address_key(address)
        if wait_s := self._addresses.take(key):
            message = f"too many registrations from your address; try again in {wait_s} s"
            raise TooManyRequests(message, retry_after_s=wait_s)
        if wait_s := self._total.take(""):
            self._addresses.refund(key)
            message = f"too many registrations from all addresses; try again in {wait_s} s"
            raise TooManyRequests(message, retry_after_s=wait_s)


RegistrationLimitDep = Annotated[RegistrationLimit, Depends(FromState("registrations"))]
"""Parameter type of a route that counts registrations."""
