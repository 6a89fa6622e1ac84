"""Notes the creator of an object where the API server has no policy for it.

If the mutating policies ``wegent-creator`` and ``wegent-keep-marks`` are in force, the proxy notes
nothing, because the policies hold for every client. Kubernetes before 1.36 has no such
policies. The validating policy, which refuses a forged or changed creator, exists in all versions.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.state import FromState
from wegent_api.upstream.access_review import may
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.creator_policy import CreatorPolicy
from wegent_api.upstream.identity import user_of
from wegent_api.upstream.target import Target
from wegent_api.upstream.usernames import Usernames
from wegent_crds.registry import TOMBSTONE
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, CREATOR, DELETED_BY, RESTORED_FROM

COPIED: Final = (CREATED_BY, CREATOR, CHANGED_BY)
"""Annotations about the creator that a copied object or a backup carries."""

Body = Mapping[str, Any]


class Creators:
    """Notes creators if no policy does.

    Args:
        policy: tells whether the API server has such a policy.
        user_api: the API server, asked for a caller's rights.
        usernames: the callers' names.
        accounts_namespace: namespace of the users with plain names.
    """

    def __init__(
        self,
        policy: CreatorPolicy,
        user_api: UserApi,
        usernames: Usernames,
        accounts_namespace: str,
    ) -> None:
        self._policy = policy
        self._user_api = user_api
        self._usernames = usernames
        self._accounts_namespace = accounts_namespace

    async def annotate(
        self, caller: Caller, body: Body, namespace: str, target: Target | None = None
    ) -> Body:
        """Return ``body`` as it is to be written, with its creator unless a policy notes it.

        A copied object names the caller, its real creator. A caller with the verb `keep-creator` on
        tombstones may restore backups: for that caller, the object keeps the creator in its
        annotations.

        Args:
            caller: the author of the write.
            body: the object to write.
            namespace: the namespace to write to.
            target: the object if it may exist already. Its creator stays.

        Raises:
            UpstreamStatus: the token is not accepted, or the caller may not read the object.
            Unavailable: the API server can't be reached.
        """
        if await self._policy.in_force():
            return body
        there = await target.look_if_there() if target else None
        if there is None:
            return await self._signed(caller, body, namespace)
        annotations = there.get("annotations") or {}
        marks = {key: annotations[key] for key in (CREATED_BY, CREATOR) if key in annotations}
        return _annotated(body, marks, {})

    async def _signed(self, caller: Caller, body: Body, namespace: str) -> Body:
        """Return a new object with its creator, in the same form as the policy notes it."""
        given = _annotations_of(body) or {}
        by = await self._usernames.of(caller)
        marks = self._marks(by)
        copied = {key: given[key] for key in COPIED if given.get(key)}
        dropped = dict.fromkeys((CHANGED_BY, RESTORED_FROM, DELETED_BY), "")
        if not copied.items() <= marks.items() and await self._may_keep(caller, namespace):
            marks = self._marks(copied.get(CREATED_BY, by)) | copied
            del dropped[CHANGED_BY]
        # The API server refuses values that are not strings.
        given = {key: value for key, value in given.items() if not isinstance(value, str)}
        return _annotated(body, marks, {**marks, **dropped}.keys() - given.keys())

    def _marks(self, name: str) -> dict[str, str]:
        return {CREATED_BY: name, CREATOR: user_of(name, self._accounts_namespace) or name}

    async def _may_keep(self, caller: Caller, namespace: str) -> bool:
        return await may(self._user_api, caller, "keep-creator", TOMBSTONE.plural, namespace)


CreatorsDep = Annotated[Creators, Depends(FromState("creators"))]
"""Parameter type of a dependency that writes objects."""


def _annotations_of(body: Body) -> Mapping[str, Any] | None:
    """Return an object's annotations, or None if the body's shape is not an object's."""
    metadata = body.get("metadata") or {}
    annotations = metadata.get("annotations") or {} if isinstance(metadata, Mapping) else None
    return annotations if isinstance(annotations, Mapping) else None


def _annotated(body: Body, marks: Mapping[str, str], dropped: Collection[str]) -> Body:
    """Return ``body`` without ``dropped``, and with ``marks`` whose keys it doesn't have yet."""
    annotations = _annotations_of(body)
    if annotations is None:
        return body
    given = {
        key: value
        for key, value in annotations.items()
        if key not in dropped and (key not in marks or value != "")
    }
    return {**body, "metadata": {**(body.get("metadata") or {}), "annotations": {**marks, **given}}}
