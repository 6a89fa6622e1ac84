"""Field managers of writes over REST: the owners of fields in server-side apply.

A create, replace, merge patch or JSON patch is an update. Its manager names the caller, so that a
later apply can tell the caller's own updates from those of others. Applies have one manager for all
callers, because a manifest that two people apply in turn is one manifest.

``take_over`` describes how an apply treats the caller's own updates.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.query import FIELD_MANAGER, MAX_FIELD_MANAGER_CHARS
from wegent_api.http.state import FromState
from wegent_api.upstream.identity import user_of
from wegent_api.upstream.usernames import Usernames


class FieldManagers:
    """Names the manager of each caller's updates.

    Args:
        usernames: the callers' names.
        accounts_namespace: namespace of the users with plain names.
    """

    def __init__(self, usernames: Usernames, accounts_namespace: str) -> None:
        self._usernames = usernames
        self._accounts_namespace = accounts_namespace

    async def of(self, caller: Caller) -> str:
        """Return the manager of the updates of ``caller``.

        Raises:
            UpstreamStatus: the token is not accepted.
            Unavailable: the API server can't be reached.
        """
        try:
            name = await self._usernames.of(caller)
        except UpstreamStatus as refused:
            if refused.is_unauthorized:
                raise
            return FIELD_MANAGER
        return manager_of(user_of(name, self._accounts_namespace) or name)

    async def update(self, caller: Caller, params: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of an update, with its manager. Raises the same errors as `of`."""
        if params.get("fieldManager", FIELD_MANAGER) != FIELD_MANAGER:
            return dict(params)
        return {**params, "fieldManager": await self.of(caller)}


FieldManagersDep = Annotated[FieldManagers, Depends(FromState("field_managers"))]
"""Parameter type of a dependency that writes objects."""


def manager_of(name: str) -> str:
    """Return the manager of the updates of user ``name``, within the API server's limits."""
    manager = f"{FIELD_MANAGER}:{name}"
    if len(manager) <= MAX_FIELD_MANAGER_CHARS and re.fullmatch(r"[!#-~]+", manager):
        return manager
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{FIELD_MANAGER}:sha256:{digest}"
