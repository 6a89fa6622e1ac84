"""Limits the number of answers that are passed on while the API server still sends them.

Each one holds a connection to the API server for as long as the client reads. These answers take at
most a quarter of the connections, and lists take half in total. The rest stays free for other
requests. One of them is the question for the caller's identity, which is asked while the first
connection is held.
"""

from wegent_api.http.bearer import Caller
from wegent_api.http.request_scope import until_answered
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.identity import identity

WHAT = "long answers"


class LongAnswers:
    """Counts long answers.

    Args:
        user_api: the API server, which identifies a caller.
        at_once: limit in total.
        per_user: limit for one user.
    """

    def __init__(self, user_api: UserApi, *, at_once: int, per_user: int) -> None:
        self._user_api = user_api
        self._all = ConcurrencyLimiter(WHAT, at_once=at_once, per_user=at_once + 1)
        self._users = ConcurrencyLimiter(WHAT, at_once=at_once, per_user=per_user)

    async def admit(self, caller: Caller) -> None:
        """Take a slot until the client has read this request's answer.

        Raises:
            TooManyRequests: the caller is at the limit per user.
            Unavailable: all slots are in use.
            UpstreamStatus: the API server does not accept the token.
        """
        until_answered(self._all.one(""))
        who = await identity(self._user_api, caller)
        until_answered(self._users.one(who.username))
