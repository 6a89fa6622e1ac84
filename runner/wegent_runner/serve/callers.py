"""Checks that a request comes from the API proxy, by a TokenReview.

Everything in the cluster's network may send tokens. So unknown tokens take no place of a good one,
few of them are reviewed at once, and few wait.
"""

import asyncio
import hashlib
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from wegent_crds.runners import AUDIENCE
from wegent_kube import KubeClient
from wegent_kube.resources import TOKEN_REVIEWS

KEPT_S: Final = 60.0
MAX_KEPT: Final = 1000
"""Verdicts of each kind. Each replica of the proxy has one token an hour."""
MAX_REVIEWS: Final = 8
"""Reviews at once of tokens that were not good before. More of them wait."""
MAX_LIKELY_REVIEWS: Final = 2
"""The same for tokens that claim to be the proxy's. They have places of their own."""
MAX_WAITING: Final = 100
"""Tokens that wait for a review, of each of these two sorts. Further ones are refused."""
MAX_TOKEN_CHARACTERS: Final = 16384


class Overloaded(Exception):  # noqa: N818 - names the state
    """Too many unknown tokens wait for a review."""


class _Lane:
    """Places for reviews, and a bounded queue for them."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it.

        Raises:
            Overloaded: the queue is full.
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


class Callers:
    """Reviews tokens, and keeps verdicts for a minute. Only digests of tokens are kept.

    Args:
        client: the API server, with the runner's own rights.
        permitted: name of the user that may call.
        clock: returns seconds.
    """

    def __init__(
        self, client: KubeClient, permitted: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._permitted = permitted
        self._clock = clock
        self._good: dict[bytes, float] = {}
        self._bad: dict[bytes, float] = {}
        self._unknown, self._likely = _Lane(MAX_REVIEWS), _Lane(MAX_LIKELY_REVIEWS)
        self._asking: dict[bytes, asyncio.Task[bool]] = {}
        """The reviews that go on or wait, by digest. Requests with the same token share one."""

    async def permits(self, authorization: str) -> bool:
        """Return True if the header bears a token of the one user that may call.

        Raises:
            KubeError: the API server gave no verdict.
            Overloaded: too many unknown tokens wait for a verdict.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            return False
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        if (verdict := self._verdict(digest)) is not None:
            return verdict
        if (asking := self._asking.get(digest)) is None:
            asking = self._asking[digest] = asyncio.create_task(self._ask(digest, token))
            asking.add_done_callback(partial(self._asked, digest))
        return await asyncio.shield(asking)

    async def _ask(self, digest: bytes, token: str) -> bool:
        if digest in self._good:  # it was good a minute ago, and doesn't wait behind unknown ones
            return self._keep(digest, permitted=await self._review(token))
        lane = self._likely if claims_to_be(token, self._permitted) else self._unknown
        async with lane.place():
            return self._keep(digest, permitted=await self._review(token))

    def _asked(self, digest: bytes, asking: asyncio.Task[bool]) -> None:
        del self._asking[digest]
        if not asking.cancelled():
            asking.exception()  # nobody else asks, if the callers are gone

    def _verdict(self, digest: bytes) -> bool | None:
        """Return the verdict of the last minute, or None without one."""
        for verdicts, permitted in ((self._good, True), (self._bad, False)):
            if digest in verdicts and self._clock() - verdicts[digest] < KEPT_S:
                return permitted
        return None

    def _keep(self, digest: bytes, *, permitted: bool) -> bool:
        for verdicts in (self._good, self._bad):
            verdicts.pop(digest, None)
        verdicts = self._good if permitted else self._bad
        if len(verdicts) >= MAX_KEPT:
            del verdicts[next(iter(verdicts))]  # the oldest
        verdicts[digest] = self._clock()
        return permitted

    async def _review(self, token: str) -> bool:
        review = await self._client.request(
            "POST",
            TOKEN_REVIEWS.path(),
            body={
                "apiVersion": TOKEN_REVIEWS.api_version,
                "kind": "TokenReview",
                "spec": {"token": token, "audiences": [AUDIENCE]},
            },
        )
        status = review.get("status") or {}
        return (
            status.get("authenticated") is True
            and AUDIENCE in (status.get("audiences") or ())
            and (status.get("user") or {}).get("username") == self._permitted
        )


def claims_to_be(token: str, user: str) -> bool:
    """Return True if a token says that it is a user's, for the runners.

    Nothing is verified: a review decides. This decides only on the queue that the token waits in.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["sub"] == user and AUDIENCE in claims["aud"]
    except (IndexError, KeyError, RecursionError, TypeError, ValueError):
        return False
