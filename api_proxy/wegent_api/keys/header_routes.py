"""``.../mcpservers/{server}/headers/{header}``: values of headers, which nobody can read.

Ghosts and Skills have MCP servers, and so these routes.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from wegent_api.http import examples
from wegent_api.http.bearer import Caller, CallerDep
from wegent_api.http.bodies import body_of, no_body
from wegent_api.http.openapi import request_body, statuses
from wegent_api.http.query import Name, OneParameters, no_repeats
from wegent_api.keys.headers import HeaderSecrets
from wegent_api.keys.models import SecretHeader, SecretHeaderChange
from wegent_api.upstream.client import UserApi, UserApiDep
from wegent_crds.registry import GHOST, SKILL, Kind

KINDS: Final = (GHOST, SKILL)
PATH: Final = "/{name}/mcpservers/{server}/headers/{header}"
Server = Annotated[
    str,
    Path(
        description="Name of the MCP server.",
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    ),
]
Header = Annotated[str, Path(description="Name of the header.", pattern="^[A-Za-z0-9_-]{1,128}$")]


class HeaderRoutes:
    """The routes of one kind."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    async def put(
        self,
        user_api: UserApiDep,
        caller: CallerDep,
        name: Name,
        server: Server,
        header: Header,
        parameters: Annotated[OneParameters, Query()],
        body: Annotated[SecretHeaderChange, Depends(body_of(SecretHeaderChange))],
    ) -> SecretHeader:
        """Store the value in the Secret to which the header refers, and replace that Secret's data.

        A server without the header in `headersFrom` gets it, with the new Secret
        `<kind>-<name>-<server>-<header>-<digest>`. The value is sent to the `hosts` alone. Nobody
        can read it with the roles of Wegent, and no answer contains it. To change the hosts of the
        same value, delete it first.
        """
        headers = self._headers(user_api, caller, parameters)
        value = body.value.get_secret_value()
        place = await headers.put(name, server, header, value, body.hosts)
        return SecretHeader(secret_key_ref=place, hosts=body.hosts)

    async def delete(
        self,
        user_api: UserApiDep,
        caller: CallerDep,
        name: Name,
        server: Server,
        header: Header,
        parameters: Annotated[OneParameters, Query()],
    ) -> Response:
        """Delete the Secret to which the header refers. A runner forgets it within a minute."""
        headers = self._headers(user_api, caller, parameters)
        await headers.delete(name, server, header)
        return Response(status_code=204)

    def _headers(
        self, user_api: UserApi, caller: Caller, parameters: OneParameters
    ) -> HeaderSecrets:
        return HeaderSecrets(user_api, caller, self._kind, parameters.namespace)


def headers_router() -> APIRouter:
    """Return the routes of all kinds that have MCP servers."""
    router = APIRouter(prefix="/api/v1/kinds", dependencies=[Depends(no_repeats)])
    for kind in KINDS:
        routes, path = HeaderRoutes(kind), f"/{kind.plural}{PATH}"
        router.add_api_route(
            path,
            routes.put,
            methods=["PUT"],
            operation_id=f"put{kind.kind}Header",
            summary=f"Set the secret value of a header of an MCP server of a {kind.kind}",
            tags=[kind.plural],
            response_model=SecretHeader,
            responses=statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
            openapi_extra=request_body(SecretHeaderChange, examples.SECRET_HEADER),
        )
        router.add_api_route(
            path,
            routes.delete,
            methods=["DELETE"],
            operation_id=f"delete{kind.kind}Header",
            summary=f"Delete the secret value of a header of an MCP server of a {kind.kind}",
            tags=[kind.plural],
            status_code=204,
            dependencies=[Depends(no_body)],
            response_class=Response,
            responses=statuses(400, 401, 403, 404, 503),
        )
    return router
