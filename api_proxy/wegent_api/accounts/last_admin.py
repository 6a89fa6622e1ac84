"""The last admin stays one: nobody is left who could make another, but a cluster administrator.

The operator notes on an Account that it is the last (``LastAdmin``), and the policy
``wegent-last-admin`` keeps Wegent's users from taking it away, with kubectl too. That note
follows a change after a moment. Here the Accounts are counted when a change is asked for, one
change at a time, so that of two admins who demote each other one is refused.
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
    """Refuses what would leave no admin."""

    def __init__(self, user_api: UserApi, accounts: Accounts) -> None:
        self._user_api = user_api
        self._accounts = accounts
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def kept(self, caller: Caller, username: str) -> AsyncIterator[None]:
        """Hold other changes back while the caller makes one that ends an admin's power.

        Raises:
            Conflict: ``username`` is the last admin.
            UpstreamStatus: the caller may not list Accounts.
        """
        async with self._one_at_a_time:
            admins = await self._admins(caller)
            if admins == {username}:
                raise Conflict(
                    f"{username} is the last admin, and stays one who isn't suspended: make"
                    " somebody else an admin first"
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
"""Parameter type of a route that keeps the last admin."""
