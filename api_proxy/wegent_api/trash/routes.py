"""``/api/v1/trash``: deleted objects, their restore, and their final deletion.

A Tombstone is an object like any other, with its own RBAC rules. These routes only save the caller
from knowing its fields. The operator does all the work, and also does it for a user who sets
``spec.restore`` with kubectl.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import no_body
from wegent_api.http.error_responses import pending
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.preconditions import (
    IF_MATCH,
    IF_NONE_MATCH,
    IfMatch,
    IfNoneMatch,
)
from wegent_api.http.query import DeleteParameters, Name, OneParameters, TrashParameters, no_repeats
from wegent_api.kinds.delete import delete
from wegent_api.kinds.field_selectors import with_supported_fields
from wegent_api.kinds.list import ListerDep
from wegent_api.kinds.openapi import conditions
from wegent_api.trash.openapi import LIST, ONE, PURGED, RESTORED
from wegent_api.trash.restore import restore as restore_object
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.etag import or_not_modified, tagged
from wegent_api.upstream.target import Target
from wegent_api.upstream.wait import EventWaiterDep
from wegent_crds.registry import TOMBSTONE
from wegent_kube.resources import resource_of

TOMBSTONES: Final = resource_of(TOMBSTONE)
PENDING: Final = "the restore is in progress; Wegent's operator creates the object"

router: Final = APIRouter(
    prefix="/api/v1/trash",
    tags=["trash"],
    dependencies=[Depends(no_repeats)],
    default_response_class=Response,
)


@router.get("", operation_id="listTrash", summary="List the trash", responses=LIST)
async def list_(
    lister: ListerDep, caller: CallerDep, parameters: Annotated[TrashParameters, Query()]
) -> Response:
    """List the Tombstones of one namespace, or of all. Each has the time until which it is kept."""
    try:
        return await lister.list(caller, TOMBSTONE, parameters)
    except UpstreamStatus as refused:
        raise with_supported_fields(refused, TOMBSTONE, parameters.field_selector) from refused


@router.get(
    "/{name}",
    operation_id="getTombstone",
    summary="Get a Tombstone",
    responses=ONE,
    openapi_extra=conditions(IF_NONE_MATCH),
)
async def get(
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
    if_none_match: IfNoneMatch,
) -> Response:
    """Get one Tombstone, with the deleted object in `spec.object`."""
    path = TOMBSTONES.path(parameters.namespace, name)
    return or_not_modified(await user_api.request(caller, "GET", path), if_none_match)


@router.post(
    "/{name}/restore",
    operation_id="restoreTombstone",
    summary="Restore the object of a Tombstone",
    responses=RESTORED,
    dependencies=[Depends(no_body)],
)
async def restore(
    user_api: UserApiDep,
    waiter: EventWaiterDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[OneParameters, Query()],
) -> Response:
    """Restore the object, with its spec, labels, annotations and creator.

    Answers 200 with the object once it is restored, and 202 if that takes longer than some seconds.
    If another object has the name by now, the answer is 409, and nothing changes.
    """
    restored = await restore_object(user_api, waiter, caller, parameters.namespace, name)
    if restored is None:
        return pending(f'tombstones "{name}": {PENDING}', {})
    return tagged(restored)


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="purgeTombstone",
    summary="Delete a Tombstone, and its object for good",
    responses=PURGED,
    openapi_extra=conditions(IF_MATCH),
    dependencies=[Depends(no_body)],
)
async def purge(
    user_api: UserApiDep,
    caller: CallerDep,
    name: Name,
    parameters: Annotated[DeleteParameters, Query()],
    if_match: IfMatch,
) -> Response:
    """Delete the Tombstone, and with it the object for good."""
    target = Target(user_api, caller, TOMBSTONES.path(parameters.namespace, name))
    answer = await delete(target, if_match, parameters.dry_run)
    return Response(status_code=204, headers=dict(answer.headers))
