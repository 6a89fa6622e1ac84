"""Names of callers in the API server, which is asked once for each token.

A token may be revoked, but its user never changes. So a name is for notes, and for requests that
the API server checks with the same token anyway. It is no proof that the token is still valid.
"""

import hashlib
from collections import OrderedDict
from typing import Annotated, Final

from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.state import FromState
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.identity import identity

MAX_KNOWN: Final = 4096
"""Number of callers whose name is cached, about 1 MiB. The least recently used is evicted."""


class Usernames:
    """Names callers.

    Args:
        user_api: the API server, which identifies a caller.
    """

    def __init__(self, user_api: UserApi) -> None:
        self._user_api = user_api
        self._known: OrderedDict[bytes, str] = OrderedDict()

    async def of(self, caller: Caller) -> str:
        """Return the user name of ``caller`` in the API server.

        Raises:
            UpstreamStatus: the token is not accepted.
            Unavailable: the API server can't be reached.
        """
        token = hashlib.sha256(caller.token.encode()).digest()
        if (known := self._known.get(token)) is not None:
            self._known.move_to_end(token)
            return known
        name = self._known[token] = (await identity(self._user_api, caller)).username
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return name


UsernamesDep = Annotated[Usernames, Depends(FromState("usernames"))]
"""Parameter type of a route that notes its caller."""
