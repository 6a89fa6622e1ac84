"""DELETE: deletes an object and waits briefly until it has gone through the trash.

An admission policy can't note the user who deletes an object, because a mutating policy can't
change an object on deletion. So the proxy first writes the caller's name on the object, with the
caller's own token. A policy refuses any other name. The name is a note for the Tombstone and gives
no right. If the note can't be written, the deletion continues without it.
"""

from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Query, Response

from wegent_api.http.bearer import Caller, CallerDep
from wegent_api.http.error_responses import pending
from wegent_api.http.errors import Problem, UpstreamStatus
from wegent_api.http.preconditions import EntityTags, IfMatch, IfNoneMatch
from wegent_api.http.query import DeleteParameters, Name, dry_run
from wegent_api.upstream.client import Answer, UserApiDep
from wegent_api.upstream.metadata import metadata_of, version_of
from wegent_api.upstream.target import Target
from wegent_api.upstream.usernames import Usernames, UsernamesDep
from wegent_api.upstream.wait import GONE, EventWaiter, EventWaiterDep
from wegent_crds.registry import Kind
from wegent_crds.well_known import DELETED_BY
from wegent_kube.content_types import MERGE_PATCH, METADATA_OBJECT
from wegent_kube.encoding import encode_json
from wegent_kube.resources import resource_of

PENDING: Final = (
    "the deletion is in progress and can't be cancelled; Wegent's operator stores the object in the"
    " trash, then removes it"
)


class Deletes:
    """The route of one kind that deletes one object."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def delete(
        self,
        user_api: UserApiDep,
        usernames: UsernamesDep,
        waiter: EventWaiterDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[DeleteParameters, Query()],
        if_match: IfMatch,
        if_none_match: IfNoneMatch,
    ) -> Response:
        """Delete one object. It moves to the trash.

        Answers 204 once the object is gone. If that takes longer than some seconds, for example
        while the operator is down, the answer is 202: the deletion continues.
        """
        place = (self.resource, parameters.namespace, name)
        path = self.resource.path(parameters.namespace, name)
        target = Target(user_api, caller, path)
        await target.check_if_none_match(if_none_match)
        if parameters.dry_run:
            answer = await delete(target, if_match, parameters.dry_run)
        else:
            answer = await _delete_signed(target, usernames, if_match)
        version = version_of(metadata_of(answer.body))
        if version is None or parameters.dry_run or await _gone(waiter, caller, place, version):
            return Response(status_code=204, headers=dict(answer.headers))
        return pending(f'{self.kind.plural} "{name}": {PENDING}', answer.headers)


async def delete(target: Target, if_match: EntityTags | None, dry_run_: str | None) -> Answer:
    """Delete an object. Return the object if it still exists, else a ``Status``.

    Raises:
        PreconditionFailed: the object has another version than ``If-Match`` names.
        UpstreamStatus: the API server refused the deletion.
    """
    return await _delete(target, await target.required_version(if_match), dry_run_)


async def _delete(target: Target, version: str | None, dry_run_: str | None = None) -> Answer:
    options: dict[str, Any] | None = None
    if version is not None:
        options = {"preconditions": {"resourceVersion": version}}
    return await target.write(
        "DELETE", encode_json(options) if options else None, params=dry_run(dry_run_), guard=version
    )


async def _delete_signed(
    target: Target, usernames: Usernames, if_match: EntityTags | None
) -> Answer:
    """Delete an object with the caller's name noted on it. Raises the same errors as `delete`."""
    version = await target.required_version(if_match)
    signed = await _sign(target, usernames, version)
    if signed is None:
        return await _delete(target, version)
    try:
        return await _delete(target, signed if version is not None else None)
    except UpstreamStatus:
        # Remove the note: somebody else may delete the object later with kubectl, which notes no
        # name. After a failure without an answer the note stays. The removal would most likely fail
        # too, and the deletion may be in progress.
        with suppress(Problem):
            await _note(target, None, None)
        raise


async def _sign(target: Target, usernames: Usernames, version: str | None) -> str | None:
    """Note the caller on the object. Return its new version, or None if the note was refused."""
    try:
        answer = await _note(target, await usernames.of(target.caller), version)
    except UpstreamStatus:
        return None
    return version_of(metadata_of(answer.body))


async def _note(target: Target, name: str | None, version: str | None) -> Answer:
    metadata: dict[str, Any] = {"annotations": {DELETED_BY: name}}
    if version is not None:
        metadata["resourceVersion"] = version
    return await target.user_api.request(
        target.caller,
        "PATCH",
        target.path,
        body=encode_json({"metadata": metadata}),
        content_type=MERGE_PATCH,
        accept=METADATA_OBJECT,
    )


async def _gone(waiter: EventWaiter, caller: Caller, place: Any, version: str) -> bool:
    gone = await waiter.wait_for_event(
        caller, place, version, lambda event, _: event == GONE or None
    )
    return gone is not None
