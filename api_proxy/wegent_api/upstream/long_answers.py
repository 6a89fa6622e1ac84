"""Answers that are sent on while the API server still sends them: how many at once.

Each one holds a connection to the API server for as long as the client reads. At most a
quarter of the connections are held so, and half by lists in all. The rest stay free for
everything else, such as asking who the caller is with the first connection in hand.
"""

from wegent_api.http.bearer import Caller
from wegent_api.http.holding import until_answered
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.identity import identity

WHAT = "long answers"


class LongAnswers:
    """Counts them.

    Args:
        user_api: the API server, which says who a caller is.
        at_once: how many there may be.
        per_user: how many of them one user's.
    """

    def __init__(self, user_api: UserApi, *, at_once: int, per_user: int) -> None:
        self._user_api = user_api
        self._all = ConcurrencyLimiter(WHAT, at_once=at_once, per_user=at_once + 1)
        self._users = ConcurrencyLimiter(WHAT, at_once=at_once, per_user=per_user)

    async def admit(self, caller: Caller) -> None:
        """Take a slot until the client has read this request's answer.

        Raises:
            TooManyRequests: the caller reads as many as one user may.
            Unavailable: there are as many as there may be.
            UpstreamStatus: the API server does not take the token.
        """
        until_answered(self._all.one(""))
        who = await identity(self._user_api, caller)
        until_answered(self._users.one(who.username))
