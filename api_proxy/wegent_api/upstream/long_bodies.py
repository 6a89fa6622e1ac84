"""Limits the bytes of long request bodies that the proxy holds at once."""

from typing import Final

from wegent_api.http.bearer import Caller
from wegent_api.http.request_scope import until_answered
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.identity import subject

MAX_BYTES: Final = 256 << 20
"""Limit for all users, in bytes as sent. Parsed bodies take several times as much memory."""
MAX_BYTES_PER_USER: Final = 64 << 20
"""Limit for one user, in bytes."""


class LongBodies:
    """Counts the bytes of long bodies.

    Args:
        user_api: the API server, which identifies a caller.
    """

    def __init__(self, user_api: UserApi) -> None:
        self._user_api = user_api
        self._bytes = ConcurrencyLimiter(
            "bytes of long bodies", at_once=MAX_BYTES, per_user=MAX_BYTES_PER_USER
        )

    async def admit(self, caller: Caller, size: int) -> None:
        """Admit a body of ``size`` bytes. The bytes count until the request is answered.

        Raises:
            TooManyRequests: the caller's bodies are at the limit for one user.
            Unavailable: the bodies of all users are at the limit.
            UpstreamStatus: the API server does not accept the token.
        """
        user = await subject(self._user_api, caller)
        until_answered(self._bytes.one(user, size))
