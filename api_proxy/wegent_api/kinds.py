"""``/api/v1/kinds/{plural}``: one set of routes for each row of the table of kinds.

Each request becomes one of the API server's, with the caller's token; its answer is
passed through as it is. Nothing is decided here that the API server decides.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wegent_api import examples
from wegent_api.bodies import json_object, no_body
from wegent_api.callers import CallerDep
from wegent_api.errors import BadRequest, Cause
from wegent_api.names import dns_label, dns_subdomain, is_dns_label
from wegent_api.openapi import kind_body, kind_list_response, kind_response, statuses
from wegent_api.references import check_references
from wegent_api.services import ServicesDep
from wegent_crds.kinds import API_VERSION, KINDS, Kind
from wegent_kube.resources import resource_of

DEFAULT_NAMESPACE: Final = "default"
MAX_SELECTOR_CHARS: Final = 4096
"""Far more than a person writes; the request's URL is bounded anyway."""
MAX_CONTINUE_CHARS: Final = 4096
"""The API server's tokens hold a name and a revision."""

Namespace = Annotated[str, AfterValidator(dns_label)]
Name = Annotated[str, Path(description="Name of the object."), AfterValidator(dns_subdomain)]


class _Parameters(BaseModel):
    """Query parameters, a closed set: what is misspelt must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OneParameters(_Parameters):
    """Of requests for one object."""

    namespace: Namespace = DEFAULT_NAMESPACE


class ListParameters(_Parameters):
    """Of a list."""

    namespace: Namespace = DEFAULT_NAMESPACE
    label_selector: Annotated[
        str | None, Field(alias="labelSelector", max_length=MAX_SELECTOR_CHARS)
    ] = None
    limit: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None
    continue_: Annotated[str | None, Field(alias="continue", max_length=MAX_CONTINUE_CHARS)] = None

    def upstream(self) -> dict[str, str]:
        """Return what the API server is sent."""
        given = self.model_dump(by_alias=True, exclude_none=True, exclude={"namespace"})
        return {name: str(value) for name, value in given.items()}


class CreateParameters(_Parameters):
    """Of the creation of an object."""

    namespace: Annotated[
        Namespace | None, Field(description="As in the body, if both are given; default: default.")
    ] = None
    validate_refs: Annotated[
        bool,
        Field(
            alias="validateRefs",
            description="Refuse the object if something that it refers to isn't there.",
        ),
    ] = True


async def no_repeats(request: Request, _: CallerDep) -> None:
    """FastAPI dependency: of a parameter that is given twice, none is picked.

    It needs the caller only so that who has no token learns nothing but that.

    Raises:
        BadRequest: one is.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        causes = [Cause("FieldValueDuplicate", name, "given more than once") for name in twice]
        raise BadRequest(f"given more than once: {', '.join(twice)}", causes=causes)


class KindRoutes:
    """The routes of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.resource = resource_of(kind)

    async def create(
        self,
        services: ServicesDep,
        caller: CallerDep,
        parameters: Annotated[CreateParameters, Query()],
        body: Annotated[dict[str, Any], Depends(json_object)],
    ) -> Response:
        """Create an object. `apiVersion` and `kind` may be left out."""
        namespace = namespace_of(parameters.namespace, body)
        completed = self.completed(body)
        if parameters.validate_refs:
            await check_references(services.callers, caller, self.kind, namespace, completed)
        return await services.callers.relay(
            caller,
            "POST",
            self.resource.path(namespace),
            params={"fieldValidation": "Strict"},
            body=json.dumps(completed, separators=(",", ":")).encode(),
        )

    async def list(
        self,
        services: ServicesDep,
        caller: CallerDep,
        parameters: Annotated[ListParameters, Query()],
    ) -> Response:
        """List the objects of one namespace, as a Kubernetes list."""
        path = self.resource.path(parameters.namespace)
        return await services.callers.relay(caller, "GET", path, params=parameters.upstream())

    async def get(
        self,
        services: ServicesDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[OneParameters, Query()],
    ) -> Response:
        """Get one object."""
        path = self.resource.path(parameters.namespace, name)
        return await services.callers.relay(caller, "GET", path)

    async def delete(
        self,
        services: ServicesDep,
        caller: CallerDep,
        name: Name,
        parameters: Annotated[OneParameters, Query()],
    ) -> Response:
        """Delete one object."""
        path = self.resource.path(parameters.namespace, name)
        answer = await services.callers.relay(caller, "DELETE", path)
        headers = {name: answer.headers[name] for name in ("Audit-Id",) if name in answer.headers}
        return Response(status_code=204, headers=headers)

    def completed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``body`` with ``apiVersion`` and ``kind``.

        Raises:
            BadRequest: it is said to be something else.
        """
        identity = {"apiVersion": API_VERSION, "kind": self.kind.kind}
        causes = [
            Cause("FieldValueInvalid", field, f"must be {value}, or left out")
            for field, value in identity.items()
            if body.get(field, value) != value
        ]
        if causes:
            raise BadRequest.of(causes)
        return {**identity, **body}


def namespace_of(parameter: str | None, body: Mapping[str, Any]) -> str:
    """Return the namespace that ``?namespace`` and ``metadata.namespace`` agree on.

    Raises:
        BadRequest: they don't, or the body's can't be one.
    """
    metadata = body.get("metadata")
    given = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    if given is None or given == "":
        return parameter or DEFAULT_NAMESPACE
    if not is_dns_label(given):
        message = "must be a DNS-1123 label"
    elif parameter not in (None, given):
        message = f"is not {parameter}, which the parameter namespace says"
    else:
        return str(given)
    raise BadRequest.of([Cause("FieldValueInvalid", "metadata.namespace", message)])


def kinds_router() -> APIRouter:
    """Return the routes of all kinds that users work with."""
    router = APIRouter(prefix="/api/v1/kinds", dependencies=[Depends(no_repeats)])
    for kind in KINDS:
        if kind.served:
            _add_routes(router, kind)
    return router


def _add_routes(router: APIRouter, kind: Kind) -> None:
    routes = KindRoutes(kind)
    collection, one = f"/{kind.plural}", f"/{kind.plural}/{{name}}"
    common: dict[str, Any] = {"tags": [kind.plural], "response_class": Response}
    router.add_api_route(
        collection,
        routes.create,
        methods=["POST"],
        status_code=201,
        operation_id=f"create{kind.kind}",
        summary=f"Create a {kind.kind}",
        openapi_extra=kind_body(kind, examples.KINDS[kind.plural]),
        responses=kind_response(kind, 201) | statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
        **common,
    )
    router.add_api_route(
        collection,
        routes.list,
        methods=["GET"],
        operation_id=f"list{kind.kind}s",
        summary=f"List {kind.kind}s",
        responses=kind_list_response(kind) | statuses(400, 401, 403, 410, 503),
        **common,
    )
    router.add_api_route(
        one,
        routes.get,
        methods=["GET"],
        operation_id=f"get{kind.kind}",
        summary=f"Get a {kind.kind}",
        responses=kind_response(kind, 200) | statuses(400, 401, 403, 404, 503),
        **common,
    )
    router.add_api_route(
        one,
        routes.delete,
        methods=["DELETE"],
        status_code=204,
        operation_id=f"delete{kind.kind}",
        summary=f"Delete a {kind.kind}",
        dependencies=[Depends(no_body)],
        responses=statuses(400, 401, 403, 404, 409, 503),
        **common,
    )
