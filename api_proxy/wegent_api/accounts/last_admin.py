"""Protects the last admin. Without one, only a cluster administrator could create another.

The operator sets the condition ``LastAdmin`` on the last admin's Account. The policy
``wegent-last-admin`` then keeps Wegent's users from removing that admin, with kubectl too. The
condition follows a change after a moment. So this module counts the Accounts at each request, one
request at a time. If two admins demote each other, one of the two requests is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from wegent_api.accounts.store import Account, Accounts
from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Conflict
from wegent_api.http.state import FromState
from wegent_api.upstream.client import UserApi

PAGE_SIZE = "500"


class LastAdmin:
    """Refuses changes that would leave no admin."""

    def __init__(self, user_api: UserApi, accounts: Accounts) -> None:
        self._user_api = user_api
        self._accounts = accounts
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def kept(self, caller: Caller, username: str) -> AsyncIterator[None]:
        """Hold other changes back during one that may end an admin's rights.

        Raises:
            Conflict: ``username`` is the last admin.
            UpstreamStatus: the caller may not list Accounts.
        """
        async with self._one_at_a_time:
            admins = await self._admins(caller)
            if admins == {username}:
                raise Conflict(
                    f"{username} is the last admin and can't be demoted, suspended or deleted;"
                    " give another user the role admin first"
                )
            yield

    async def _admins(self, caller: Caller) -> set[str]:
        admins: set[str] = set()
        params = {"limit": PAGE_SIZE}
        while True:
            path = self._accounts.path()
            page = await self._user_api.request_json(caller, "GET", path, params=params)
            found = map(Account.of, page["items"])
            admins |= {account.username for account in found if account.is_active_admin}
            if not (token := page["metadata"].get("continue")):
                return admins
            params["continue"] = token


LastAdminDep = Annotated[LastAdmin, Depends(FromState("last_admin"))]
"""Parameter type of a route that protects the last admin."""
