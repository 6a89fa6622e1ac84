"""Collaborators of each write of an object on behalf of one caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends

from wegent_api.http.bearer import Caller, CallerDep
from wegent_api.kinds.creator import Creators, CreatorsDep
from wegent_api.kinds.field_managers import FieldManagers, FieldManagersDep
from wegent_api.upstream.client import UserApi, UserApiDep
from wegent_api.upstream.target import Target


@dataclass(frozen=True, slots=True)
class ObjectWriter:
    """Writes objects as one caller, and notes their creators and the owners of their fields."""

    user_api: UserApi
    caller: Caller
    creators: Creators
    field_managers: FieldManagers

    def target(self, path: str) -> Target:
        """Return the object or collection at ``path``."""
        return Target(self.user_api, self.caller, path)

    async def annotate(
        self, body: Mapping[str, Any], namespace: str, target: Target | None = None
    ) -> Mapping[str, Any]:
        """Return ``body`` with its creator. See `Creators.annotate`."""
        return await self.creators.annotate(self.caller, body, namespace, target)

    async def update(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of an update, with its manager. See `FieldManagers.update`."""
        return await self.field_managers.update(self.caller, params)


async def _object_writer(
    user_api: UserApiDep,
    caller: CallerDep,
    creators: CreatorsDep,
    field_managers: FieldManagersDep,
) -> ObjectWriter:
    return ObjectWriter(user_api, caller, creators, field_managers)


ObjectWriterDep = Annotated[ObjectWriter, Depends(_object_writer)]
"""Parameter type of a route that writes objects as its caller."""
