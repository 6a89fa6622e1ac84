"""DELETE: ask the API server, and wait a moment for the object to have gone through the trash.

An admission policy can't note the user who deletes an object: the API server changes nothing
that a policy sees. So the caller's name is written on the object before, with the caller's own
token, and a policy refuses any other name. It is a note for the Tombstone, no right: where it
can't be written, the deletion goes on without it.
"""

from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Query, Response

from wegent_api.http.bearer import Caller, CallerDep
from wegent_api.http.error_responses import pending
from wegent_api.http.errors import Problem, UpstreamStatus
from wegent_api.http.preconditions import EntityTags, IfMatch, IfNoneMatch
from wegent_api.http.query import DeleteParameters, Name, dry_run
from wegent_api.kinds.write import encoded
from wegent_api.upstream.client import METADATA_ONLY, Answer, UserApiDep
from wegent_api.upstream.identity import identity
from wegent_api.upstream.metadata import metadata_of, version_of
from wegent_api.upstream.target import Target
from wegent_api.upstream.wait import GONE, EventWaiter, EventWaiterDep
from wegent_crds.registry import Kind
from wegent_crds.well_known import DELETED_BY
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import resource_of

PENDING: Final = (
    "the deletion is under way and can't be taken back; the object goes when Wegent's operator has"
    " kept it in the trash"
)


class Deletes:
    """The route of one kind that deletes one object."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def delete(
        self,
        user_api: UserApiDep,
        waiter: EventWaiterDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[DeleteParameters, Query()],
        if_match: IfMatch,
        if_none_match: IfNoneMatch,
    ) -> Response:
        """Delete one object, which goes into the trash.

        Answers 204 once it is gone. Where that takes longer than some seconds, as it does
        while the operator is down, 202: the deletion then is under way all the same.
        """
        place = (self.resource, parameters.namespace, name)
        path = self.resource.path(parameters.namespace, name)
        target = Target(user_api, caller, path)
        await target.must_not_be(if_none_match)
        if parameters.dry_run:
            answer = await delete(target, if_match, parameters.dry_run)
        else:
            answer = await _delete_signed(target, if_match)
        version = version_of(metadata_of(answer.body))
        if version is None or parameters.dry_run or await _gone(waiter, caller, place, version):
            return Response(status_code=204, headers=dict(answer.headers))
        return pending(f'{self.kind.plural} "{name}": {PENDING}', answer.headers)


async def delete(target: Target, if_match: EntityTags | None, dry_run_: str | None) -> Answer:
    """Ask for the deletion; the answer is the object if it is still there, else a ``Status``.

    Raises:
        PreconditionFailed: it isn't what ``If-Match`` names.
        UpstreamStatus: the API server refused it.
    """
    return await _delete(target, await target.required_version(if_match), dry_run_)


async def _delete(target: Target, version: str | None, dry_run_: str | None = None) -> Answer:
    options: dict[str, Any] | None = None
    if version is not None:
        options = {"preconditions": {"resourceVersion": version}}
    return await target.write(
        "DELETE", encoded(options) if options else None, params=dry_run(dry_run_), guard=version
    )


async def _delete_signed(target: Target, if_match: EntityTags | None) -> Answer:
    """Delete an object on which the caller's name is noted; raise what `delete` does."""
    version = await target.required_version(if_match)
    signed = await _sign(target, version)
    if signed is None:
        return await _delete(target, version)
    try:
        return await _delete(target, signed if version is not None else None)
    except UpstreamStatus:
        # Somebody else may delete it later, with kubectl, which leaves no name. Where no answer
        # came, none would come to this either, and the deletion may be under way.
        with suppress(Problem):
            await _note(target, None, None)
        raise


async def _sign(target: Target, version: str | None) -> str | None:
    """Note the caller on the object; return its version then, None where that was refused."""
    try:
        name = (await identity(target.user_api, target.caller)).username
        answer = await _note(target, name, version)
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
        body=encoded({"metadata": metadata}),
        content_type=MERGE_PATCH,
        accept=METADATA_ONLY,
    )


async def _gone(waiter: EventWaiter, caller: Caller, place: Any, version: str) -> bool:
    gone = await waiter.wait_for_event(
        caller, place, version, lambda event, _: event == GONE or None
    )
    return gone is not None
