"""DELETE: ask the API server, and wait a moment for the object to have gone through the trash."""

from typing import Annotated, Any, Final

from fastapi import Query, Response

from wegent_api.callers import Caller, CallerDep
from wegent_api.heads import metadata_of, version_of
from wegent_api.parameters import DeleteParameters, Name, dry_run
from wegent_api.preconditions import EntityTags, IfMatch
from wegent_api.services import Services, ServicesDep
from wegent_api.settling import GONE, settled
from wegent_api.statuses import pending
from wegent_api.targets import Target
from wegent_api.upstream import Answer
from wegent_api.writing import encoded
from wegent_crds.kinds import Kind
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
        services: ServicesDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[DeleteParameters, Query()],
        if_match: IfMatch,
    ) -> Response:
        """Delete one object, which goes into the trash.

        Answers 204 once it is gone. Where that takes longer than some seconds, as it does
        while the operator is down, 202: the deletion then is under way all the same.
        """
        place = (self.resource, parameters.namespace, name)
        path = self.resource.path(parameters.namespace, name)
        target = Target(services.callers, caller, path)
        answer = await delete(target, if_match, parameters.dry_run)
        version = version_of(metadata_of(answer.body))
        if version is None or parameters.dry_run or await _gone(services, caller, place, version):
            return Response(status_code=204, headers=dict(answer.headers))
        return pending(f'{self.kind.plural} "{name}": {PENDING}', answer.headers)


async def delete(target: Target, if_match: EntityTags | None, dry_run_: str | None) -> Answer:
    """Ask for the deletion; the answer is the object if it is still there, else a ``Status``.

    Raises:
        PreconditionFailed: it isn't what ``If-Match`` names.
        Refused: the API server refused it.
    """
    version = await target.required_version(if_match)
    options: dict[str, Any] | None = None
    if version is not None:
        options = {"preconditions": {"resourceVersion": version}}
    return await target.write(
        "DELETE", encoded(options) if options else None, params=dry_run(dry_run_), guard=version
    )


async def _gone(services: Services, caller: Caller, place: Any, version: str) -> bool:
    gone = await settled(
        services.waits,
        caller,
        place,
        version,
        lambda event, _: event == GONE or None,
        within_s=services.settings.settle_wait_s,
    )
    return gone is not None
