"""Checks that a request comes from the API proxy, by a TokenReview.

Everything in the cluster's network may send tokens. So unknown tokens take no place of a good one,
and few of them are reviewed at once.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Final

from wegent_kube import KubeClient
from wegent_kube.resources import TOKEN_REVIEWS

AUDIENCE: Final = "wegent-runner"
KEPT_S: Final = 60.0
MAX_KEPT: Final = 1000
"""Verdicts of each kind. Each replica of the proxy has one token an hour."""
MAX_REVIEWS: Final = 8
"""Reviews at once of tokens that were not good before. More of them wait."""
MAX_TOKEN_CHARACTERS: Final = 16384


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
        self._reviews = asyncio.Semaphore(MAX_REVIEWS)

    async def permits(self, authorization: str) -> bool:
        """Return True if the header bears a token of the one user that may call.

        Raises:
            KubeError: the API server gave no verdict.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            return False
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        if (verdict := self._verdict(digest)) is not None:
            return verdict
        if digest in self._good:  # it was good a minute ago, and doesn't wait behind unknown ones
            return self._keep(digest, permitted=await self._review(token))
        async with self._reviews:
            if (verdict := self._verdict(digest)) is not None:  # another request has asked
                return verdict
            return self._keep(digest, permitted=await self._review(token))

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
