"""Builds the OpenAPI document, including bodies and answers that FastAPI doesn't find itself.

``http.bodies`` reads bodies and answers are passed on as bytes, so FastAPI doesn't see their
models. ``app`` hands them in, and their schemas are added to the document.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from wegent_api.http.default_namespace import default_namespace_is
from wegent_api.http.openapi import SCHEMAS

Schemas = Mapping[str, Any]
"""Schemas by their names in the document."""

LOGIN: Final = "/api/v1/auth/login"
DESCRIPTION: Final = """\
Ghosts, Models, Shells, Bots, Teams, Skills and Tasks over REST. Every request is made to the
Kubernetes API server with the caller's own token and rights; objects, lists and errors are the
API server's own. **Authorize** accepts a user name and a password, or the `accessToken` of
`POST /api/v1/auth/login`.
"""

_DEFAULT: Final = """\
The namespace of requests that name none is `{}`. `GET /api/v1/auth/me` names it too.
"""

STATUS_SCHEMA: Final[Mapping[str, Any]] = {  # the kinds already have a schema "Status"
    "title": "ErrorStatus",
    "description": "Error, as a Kubernetes Status.",
    "type": "object",
    "required": ["kind", "apiVersion", "status", "code"],
    "properties": {
        "kind": {"const": "Status"},
        "apiVersion": {"const": "v1"},
        "metadata": {"type": "object"},
        "status": {"const": "Failure"},
        "message": {"type": "string", "description": "Human-readable description of the error."},
        "reason": {"type": "string", "description": "Machine-readable reason, in CamelCase."},
        "code": {"type": "integer", "description": "HTTP status code."},
        "details": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "group": {"type": "string"},
                "kind": {"type": "string"},
                "uid": {"type": "string"},
                "retryAfterSeconds": {"type": "integer"},
                "causes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "reason": {"type": "string"},
                            "message": {"type": "string"},
                            "field": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}


PENDING_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "PendingStatus",
    "description": "Operation in progress, as a Kubernetes Status.",
    "type": "object",
    "required": ["kind", "apiVersion", "status", "message", "code"],
    "properties": {
        "kind": {"const": "Status"},
        "apiVersion": {"const": "v1"},
        "metadata": {"type": "object"},
        "status": {"const": "Success"},
        "message": {"type": "string", "description": "Human-readable state of the operation."},
        "code": {"const": 202},
    },
}


OPERATIONS: Final = {
    "admin_register": "registerByAdmin",
    "healthz": "getHealth",
    "kubeconfig": "getKubeconfig",
    "me": "getMe",
    "metrics": "getMetrics",
    "readyz": "getReadiness",
}
"""Operation ids by function name, for names that are not a verb and a noun."""


def operation_id(route: APIRoute) -> str:
    """Return the default ``operationId`` of a route: a verb and a noun in camelCase.

    Generated clients use it as the function's name. FastAPI's default would hold the whole path.
    """
    verb, *rest = route.name.split("_")
    return OPERATIONS.get(route.name, verb + "".join(map(str.capitalize, rest)))


def install_openapi(
    app: FastAPI,
    models: Sequence[type[BaseModel]],
    derived: Callable[[Schemas], Mapping[str, Any]],
    *,
    default_namespace: str,
) -> None:
    """Make ``app`` serve the whole document.

    Args:
        app: the application, with all its routes.
        models: models of bodies and answers that FastAPI doesn't see.
        derived: returns further schemas by name, derived from those of the models.
        default_namespace: namespace of requests that name none.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            with default_namespace_is(default_namespace):
                made = get_openapi(
                    title=app.title,
                    version=app.version,
                    description=f"{app.description}\n{_DEFAULT.format(default_namespace)}",
                    routes=app.routes,
                )
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas |= _schemas(models, derived)
            _drop_fastapis_422(made)
            _offer_login(made)
            _drop_null_parameters(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # as FastAPI documents it


def _drop_fastapis_422(document: dict[str, Any]) -> None:
    """Remove FastAPI's own 422 for an invalid parameter. The proxy answers 400."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]


def _offer_login(document: dict[str, Any]) -> None:
    """Add OAuth2's password flow besides the bearer token, so that tools can get a token.

    FastAPI supports only one scheme for each dependency.
    """
    document["components"]["securitySchemes"]["password"] = {
        "type": "oauth2",
        "description": "User name and password. Leave the client ID and secret empty.",
        "flows": {"password": {"tokenUrl": LOGIN, "scopes": {}}},
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            if "security" in operation:
                operation["security"].append({"password": []})


def _drop_null_parameters(document: dict[str, Any]) -> None:
    """Remove null from the schemas of optional parameters. A query has no null."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                given = [it for it in schema.get("anyOf", ()) if it != {"type": "null"}]
                if len(given) == 1:
                    rest = {key: value for key, value in schema.items() if key != "anyOf"}
                    parameter["schema"] = {**given[0], **rest}


def _schemas(
    models: Sequence[type[BaseModel]], derived: Callable[[Schemas], Mapping[str, Any]]
) -> dict[str, Any]:
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template=SCHEMAS + "{model}"
    )
    schemas: dict[str, Any] = made["$defs"] | {
        "ErrorStatus": STATUS_SCHEMA,
        "PendingStatus": PENDING_SCHEMA,
    }
    return {**schemas, **derived(schemas)}
