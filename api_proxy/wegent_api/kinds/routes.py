"""``/api/v1/kinds/{plural}``: one set of routes for each row of the table of kinds.

Each request acts with the caller's token. Writes first check references and note the creator; the
object in the answer is the API server's, unchanged. The API server decides on rights and validity.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import no_body
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.openapi import PENDING, Responses
from wegent_api.http.preconditions import (
    IF_MATCH,
    IF_NONE_MATCH,
    IfMatch,
    IfNoneMatch,
)
from wegent_api.http.query import (
    Name,
    OneParameters,
    WatchParameters,
    no_repeats,
)
from wegent_api.kinds.delete import Deletes
from wegent_api.kinds.field_selectors import with_supported_fields
from wegent_api.kinds.list import ListerDep
from wegent_api.kinds.models import ReferenceList, ReferrerList
from wegent_api.kinds.openapi import (
    NOT_MODIFIED,
    WITH_A_BODY,
    accept_patch,
    conditions,
    created,
    errors,
    followed,
    kind_body,
    kind_list_response,
    one_object,
    patch_body,
    resuming,
)
from wegent_api.kinds.relations import Relations
from wegent_api.kinds.watch import WatcherDep, starting_point
from wegent_api.kinds.write import Writes
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.etag import or_not_modified
from wegent_api.upstream.metadata import metadata_of
from wegent_api.upstream.target import required
from wegent_crds.registry import KINDS, Kind, referrers_of
from wegent_kube.resources import resource_of


class KindRoutes:
    """The routes of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def list(
        self,
        request: Request,
        lister: ListerDep,
        watcher: WatcherDep,
        caller: CallerDep,
        parameters: Annotated[WatchParameters, Query()],
    ) -> Response:
        """List the objects of one namespace, or of all, as a Kubernetes list.

        With `watch=true`, watch them instead. The answer then is a stream of Server-Sent Events,
        one for each change. An event's type is Kubernetes' own (`ADDED`, `MODIFIED`, `DELETED`,
        `BOOKMARK`, `ERROR`), its id is the resourceVersion to resume from, and its data is the
        object.
        """
        try:
            if not parameters.watching():
                return await lister.list(caller, self.kind, parameters)
            path = self.resource.path(None if parameters.everywhere else parameters.namespace)
            since = starting_point(request, parameters.resource_version)
            return await watcher.watch(caller, path, parameters.upstream(), since)
        except UpstreamStatus as refused:
            raise with_supported_fields(refused, self.kind, parameters.field_selector) from refused

    async def get(
        self,
        user_api: UserApiDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[OneParameters, Query()],
        if_match: IfMatch,
        if_none_match: IfNoneMatch,
    ) -> Response:
        """Get one object."""
        path = self.resource.path(parameters.namespace, name)
        answer = await user_api.request(caller, "GET", path)
        if if_match is not None:
            required(metadata_of(answer.body), if_match)
        return or_not_modified(answer, if_none_match)


def kinds_router() -> APIRouter:
    """Return the routes of all user-facing kinds."""
    router = APIRouter(prefix="/api/v1/kinds", dependencies=[Depends(no_repeats)])
    for kind in KINDS:
        if kind.user_facing:
            _add_routes(router, kind)
    return router


def _add_routes(router: APIRouter, kind: Kind) -> None:
    reads, writes, deletes = KindRoutes(kind), Writes(kind), Deletes(kind)
    relations = Relations(kind)
    example = examples.KINDS[kind.plural]
    matching = conditions(IF_MATCH, IF_NONE_MATCH)
    of_collection: tuple[_Route, ...] = (
        _Route(
            "POST",
            writes.create,
            "create",
            created(kind) | errors(*WITH_A_BODY),
            kind_body(kind, example),
        ),
        _Route(
            "GET",
            reads.list,
            "list",
            followed(kind_list_response(kind) | errors(410)),
            resuming(),
        ),
    )
    of_one: tuple[_Route, ...] = (
        _Route(
            "GET",
            reads.get,
            "get",
            one_object(kind, 200) | NOT_MODIFIED | errors(404, 412),
            conditions(IF_MATCH, IF_NONE_MATCH),
        ),
        _Route(
            "PUT",
            writes.replace,
            "replace",
            one_object(kind, 200, 201) | errors(*WITH_A_BODY, 412),
            kind_body(kind, example) | conditions(IF_MATCH, IF_NONE_MATCH),
        ),
        _Route(
            "PATCH",
            writes.patch,
            "change",
            accept_patch(one_object(kind, 200, 201) | errors(*WITH_A_BODY, 412)),
            patch_body(kind, example) | matching,
        ),
        _Route("DELETE", deletes.delete, "delete", PENDING | errors(404, 409, 412), matching),
    )
    one = f"/{kind.plural}/{{name}}"
    for path, routes in ((f"/{kind.plural}", of_collection), (one, of_one)):
        for route in routes:
            route.add_to(router, path, kind)
    _add_relation(router, kind, "references", relations.references, ReferenceList)
    if referrers_of(kind):
        _add_relation(router, kind, "referrers", relations.referrers, ReferrerList)


def _add_relation(
    router: APIRouter,
    kind: Kind,
    relation: str,
    endpoint: Callable[..., Awaitable[Any]],
    model: type[BaseModel],
) -> None:
    router.add_api_route(
        f"/{kind.plural}/{{name}}/{relation}",
        endpoint,
        methods=["GET"],
        operation_id=f"list{kind.kind}{relation.capitalize()}",
        summary=f"List the {relation} of a {kind.kind}",
        response_model=model,
        response_model_exclude_none=True,
        responses=errors(404) if relation == "references" else errors(410),
        tags=[kind.plural],
    )


@dataclass(frozen=True, slots=True)
class _Route:
    """One method of one path, with its part of the OpenAPI document."""

    method: str
    endpoint: Callable[..., Awaitable[Response]]
    verb: str
    responses: Responses
    extra: dict[str, Any] = field(default_factory=dict)

    def add_to(self, router: APIRouter, path: str, kind: Kind) -> None:
        several = self.verb == "list"
        router.add_api_route(
            path,
            self.endpoint,
            methods=[self.method],
            status_code={"POST": 201, "DELETE": 204}.get(self.method, 200),
            operation_id=f"{self.verb}{kind.kind}{'s' if several else ''}",
            summary=f"{self.verb.capitalize()} {f'{kind.kind}s' if several else f'a {kind.kind}'}",
            dependencies=[Depends(no_body)] if self.method == "DELETE" else [],
            responses=self.responses,
            openapi_extra=self.extra,
            response_class=Response,
            tags=[kind.plural],
        )
