"""Checks that a request comes from the API proxy, by a TokenReview."""

import hashlib
import time
from collections.abc import Callable
from typing import Final

from wegent_kube import KubeClient
from wegent_kube.resources import TOKEN_REVIEWS

AUDIENCE: Final = "wegent-runner"
KEPT_S: Final = 60.0
MAX_KEPT: Final = 1000
MAX_TOKEN_CHARACTERS: Final = 16384


class Callers:
    """Reviews tokens, and keeps verdicts for a minute. Only digests of tokens are kept."""

    def __init__(
        self, client: KubeClient, permitted: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._permitted = permitted
        self._clock = clock
        self._kept: dict[bytes, tuple[float, bool]] = {}

    async def permits(self, authorization: str) -> bool:
        """Return True if the header bears a token of the one user that may call.

        Raises:
            KubeError: the API server gave no verdict.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            return False
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        reviewed_at, permitted = self._kept.get(digest, (0.0, False))
        if digest in self._kept and self._clock() - reviewed_at < KEPT_S:
            return permitted
        permitted = await self._review(token)
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[digest] = (self._clock(), permitted)
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
