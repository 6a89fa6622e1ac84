"""The OpenAPI document: what each route takes and answers, beside what FastAPI finds itself.

Bodies are read by ``bodies`` and answers are passed through as bytes, so FastAPI does
not see their models; they are named here, and their schemas added to the document.
The kinds' schemas are those of the CRDs.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from wegent_api.accounts.admin_models import AccountChange, PasswordReset
from wegent_api.accounts.models import AdminRegistration, Credentials, PasswordChange, Registration
from wegent_api.apply.models import ApplyResults
from wegent_api.http.error_responses import JSON
from wegent_api.members.models import MemberChange
from wegent_crds.models import MODELS
from wegent_crds.registry import API_VERSION, KINDS, TOMBSTONE, Kind

BODIES: Final[list[type[BaseModel]]] = [
    Registration,
    AdminRegistration,
    Credentials,
    PasswordChange,
    PasswordReset,
    AccountChange,
    MemberChange,
]
"""Of requests that are not for objects."""
LOGIN: Final = "/api/v1/auth/login"
SCHEMAS: Final = "#/components/schemas/"

DESCRIPTION: Final = """\
Ghosts, Models, Shells, Bots, Teams, Skills and Tasks over REST. Every request is made to the
Kubernetes API server with the caller's own token and rights; objects, lists and errors are the
API server's own. **Authorize** logs in by itself, or takes the token of
`POST /api/v1/auth/login`.
"""

MEANINGS: Final = {
    400: "The request can't be understood; the message says where.",
    401: "No token, or one that the API server does not take.",
    403: "The caller may not do this.",
    404: "There is no such object.",
    408: "The body did not arrive in time.",
    409: "The name is taken, or the object has changed.",
    410: "The continue token is too old; begin again.",
    412: "The object is another than the request's conditions want.",
    413: "The body is too long.",
    415: "The body is of another type than those that are taken.",
    422: "Something in the body can't be; a cause for each field.",
    429: "Too many attempts; Retry-After says how long to wait.",
    502: "What answered in the API server's place wasn't it.",
    503: "The API server can't be reached, or is not set up yet; worth another try.",
}

STATUS_SCHEMA: Final[Mapping[str, Any]] = {  # "Status" is already that of the kinds
    "title": "ErrorStatus",
    "description": "What went wrong, as Kubernetes says it.",
    "type": "object",
    "required": ["kind", "apiVersion", "status", "code"],
    "properties": {
        "kind": {"const": "Status"},
        "apiVersion": {"const": "v1"},
        "metadata": {"type": "object"},
        "status": {"const": "Failure"},
        "message": {"type": "string", "description": "For people."},
        "reason": {"type": "string", "description": "For programs, in one CamelCase word."},
        "code": {"type": "integer", "description": "The HTTP status."},
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
    "description": "What was asked for is under way.",
    "type": "object",
    "required": ["kind", "apiVersion", "status", "message", "code"],
    "properties": {
        "kind": {"const": "Status"},
        "apiVersion": {"const": "v1"},
        "metadata": {"type": "object"},
        "status": {"const": "Success"},
        "message": {"type": "string", "description": "For people."},
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
"""By the function's name, where that is no verb and noun."""


def operation_id(route: APIRoute) -> str:
    """Return the ``operationId`` of a route that names none: a verb and a noun in camelCase.

    Generated clients have it as the function's name, and FastAPI's own holds the whole path.
    """
    verb, *rest = route.name.split("_")
    return OPERATIONS.get(route.name, verb + "".join(map(str.capitalize, rest)))


def statuses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that may answer these, each a ``Status``."""
    return {code: _response(MEANINGS[code], "ErrorStatus") for code in codes}


def kind_response(kind: Kind, code: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that answers one object."""
    return {code: _response(f"The {kind.kind}, as it is stored.", kind.kind)}


def kind_list_response(kind: Kind) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that answers a list."""
    return {200: _response(f"A Kubernetes list of {kind.kind}s.", f"{kind.kind}List")}


def request_body(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes a ``model``."""
    return _request(model.__name__, example)


def kind_body(kind: Kind, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes an object."""
    return _request(f"{kind.kind}Body", example)


def install_openapi(app: FastAPI) -> None:
    """Have ``app`` serve the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas |= _schemas()
            _drop_fastapis_422(made)
            _offer_login(made)
            _drop_null_parameters(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # as FastAPI documents it


def _drop_fastapis_422(document: dict[str, Any]) -> None:
    """Remove FastAPI's own idea of a wrong parameter: it is a 400 here."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]


def _offer_login(document: dict[str, Any]) -> None:
    """Let tools get a token by themselves: OAuth2's password flow, besides a token that is there.

    FastAPI knows one scheme for each dependency.
    """
    document["components"]["securitySchemes"]["password"] = {
        "type": "oauth2",
        "description": "Logs in with a user name and a password. Leave client id and secret empty.",
        "flows": {"password": {"tokenUrl": LOGIN, "scopes": {}}},
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            if "security" in operation:
                operation["security"].append({"password": []})


def _drop_null_parameters(document: dict[str, Any]) -> None:
    """Say of an optional parameter only how it is where it is given: a query has no null."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                given = [it for it in schema.get("anyOf", ()) if it != {"type": "null"}]
                if len(given) == 1:
                    rest = {key: value for key, value in schema.items() if key != "anyOf"}
                    parameter["schema"] = {**given[0], **rest}


def _schemas() -> dict[str, Any]:
    served = [kind for kind in KINDS if kind.user_facing or kind is TOMBSTONE]
    models: list[type[BaseModel]] = [MODELS[kind.plural] for kind in served]
    models += [*BODIES, ApplyResults]
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template=SCHEMAS + "{model}"
    )
    schemas: dict[str, Any] = made["$defs"] | {
        "ErrorStatus": STATUS_SCHEMA,
        "PendingStatus": PENDING_SCHEMA,
    }
    for kind in served:
        schemas[f"{kind.kind}List"] = _list_schema(kind)
        if kind is not TOMBSTONE:
            schemas[f"{kind.kind}Body"] = _body_schema(kind, schemas[kind.kind])
    return schemas


def _body_schema(kind: Kind, stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **stored,
        "title": f"{kind.kind}Body",
        "required": [name for name in stored["required"] if name in {"metadata", "spec"}],
    }


def _list_schema(kind: Kind) -> dict[str, Any]:
    return {
        "title": f"{kind.kind}List",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "items"],
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": f"{kind.kind}List"},
            "metadata": {
                "type": "object",
                "properties": {
                    "resourceVersion": {"type": "string"},
                    "continue": {"type": "string", "description": "Set where there is more."},
                    "remainingItemCount": {"type": "integer"},
                },
            },
            "items": {"type": "array", "items": {"$ref": SCHEMAS + kind.kind}},
        },
    }


def _response(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {JSON: {"schema": {"$ref": SCHEMAS + schema}}},
    }


def _request(schema: str, example: Mapping[str, Any]) -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": SCHEMAS + schema}, "example": dict(example)}}
    return {"requestBody": {"required": True, "content": content}}
