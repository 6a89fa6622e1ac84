"""How often users may register, for each client address and in all."""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from wegent_api.http.errors import TooManyRequests
from wegent_api.http.rate_limiter import RateLimiter, address_key
from wegent_api.http.state import FromState


class RegistrationLimit:
    """A bucket for each client address, and one for all of them together.

    An attacker with many addresses is bounded by the second. An address that has used up its
    own bucket takes nothing from the others.
    """

    def __init__(
        self, *, per_address: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._addresses = RateLimiter(per_address, clock=clock)
        self._total = RateLimiter(total, max_keys=1, clock=clock)

    def check(self, address: str) -> None:
        """Pay for one registration from an address.

        Raises:
            TooManyRequests: the address, or all addresses together, have used up their minute.
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
