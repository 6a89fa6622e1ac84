"""Query parameters: a closed set for each type of request.

An unknown parameter is refused. Otherwise ``?dryrun=All``, which is misspelt, would really delete.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wegent_api.http.bearer import CallerDep
from wegent_api.http.default_namespace import default_namespace, show_default
from wegent_api.http.errors import BadRequest, Cause
from wegent_api.names import (
    SUBDOMAIN_SCHEMA,
    USER_NAME_SCHEMA,
    dns_label,
    dns_subdomain,
    is_dns_label,
    user_name,
)
from wegent_api.version import USER_AGENT
from wegent_crds.kinds.tombstone import TrashedKind

ALL_NAMESPACES: Final = "*"
MAX_SELECTOR_CHARS: Final = 2048
"""Far more than a person writes. The request's URL is bounded as well."""
MAX_FIELD_SELECTOR_CHARS: Final = 1024
"""Enough for a reference and a namespace of full length, and more.

With the longest `labelSelector` and `continue`, at twelve bytes a character, the URL still stays
below its limit.
"""
MAX_VERSION_CHARS: Final = 64
"""Three times as long as an integer of 64 bits."""
MAX_CONTINUE_CHARS: Final = 2048
"""The API server's tokens hold a name and a revision."""
FIELD_MANAGER: Final = USER_AGENT.partition("/")[0]
"""Default field manager, which the API server would also derive from the User-Agent."""
MAX_FIELD_MANAGER_CHARS: Final = 128
"""The API server's limit."""


MAX_PARAMETERS: Final = 32
"""Limit of different parameters in one request: more than any route has."""


def _label_or_all(value: str) -> str:
    return value if value == ALL_NAMESPACES else dns_label(value)


Namespace = Annotated[str, AfterValidator(dns_label)]
NamespaceOrAll = Annotated[str, AfterValidator(_label_or_all)]
Name = Annotated[
    str, Path(description="Name of the object."), AfterValidator(dns_subdomain), SUBDOMAIN_SCHEMA
]
Username = Annotated[
    str, Path(description="Name of the user."), AfterValidator(user_name), USER_NAME_SCHEMA
]
Continue = Annotated[
    str | None,
    Field(
        alias="continue",
        max_length=MAX_CONTINUE_CHARS,
        description="Token of the next page, from the `continue` of the page before.",
    ),
]
LIMIT: Final = "Maximum number of items in a page."
DryRun = Annotated[
    Literal["All"] | None,
    Field(alias="dryRun", description="`All`: process the request without storing the result."),
]
FieldManager = Annotated[
    str,
    Field(
        alias="fieldManager",
        min_length=1,
        max_length=MAX_FIELD_MANAGER_CHARS,
        pattern=r"^[ -~]+$",
        description="Name of the manager that owns the written fields.",
    ),
]
Force = Annotated[
    bool | None,
    Field(
        description="Take over fields of other managers. Only for server-side apply. Default:"
        " take over only fields that the caller owns by updates."
    ),
]
"""``Force`` has no default in the OpenAPI document, since generated clients send defaults."""
ValidateRefs = Annotated[
    bool,
    Field(
        alias="validateRefs",
        description="Reject the object if an object that it refers to does not exist.",
    ),
]


def _optional_name(value: str | None) -> str | None:
    return None if value is None else dns_subdomain(value)


class Parameters(BaseModel):
    """Base of all query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OneParameters(Parameters):
    """Parameters of requests for one object."""

    namespace: Annotated[
        Namespace,
        Field(
            description="Namespace of the object.",
            json_schema_extra=show_default,
        ),
    ] = Field(default_factory=default_namespace)


class ReferrersParameters(OneParameters):
    """Parameters of a search for referrers."""

    continue_: Continue = None


class DeleteParameters(OneParameters):
    """Parameters of a deletion."""

    dry_run: DryRun = None


class WriteParameters(Parameters):
    """Parameters of a create or a replace."""

    namespace: Annotated[
        Namespace | None,
        Field(description="Namespace of the object. Must equal the body's, if both are given."),
    ] = None
    dry_run: DryRun = None
    validate_refs: ValidateRefs = True

    def upstream(self) -> dict[str, str]:
        """Return the parameters of the request to the API server."""
        return {"fieldValidation": "Strict"} | dry_run(self.dry_run)


class PatchParameters(WriteParameters):
    """Parameters of a patch."""

    field_manager: FieldManager = FIELD_MANAGER
    force: Force = None

    @property
    def takes_over_own(self) -> bool:
        """True if an apply takes over fields of the caller's own updates.

        A client that names another manager, or sends ``force=false``, asks for conflicts.
        """
        return self.field_manager == FIELD_MANAGER and self.force is None

    def upstream(self) -> dict[str, str]:
        """Return the parameters of the request to the API server."""
        force = {"force": "true"} if self.force else {}
        return super().upstream() | {"fieldManager": self.field_manager} | force


class ApplyParameters(PatchParameters):
    """Parameters of an apply of several objects."""

    namespace: Annotated[
        Namespace,
        Field(
            description="Namespace of objects without one.",
            json_schema_extra=show_default,
        ),
    ] = Field(default_factory=default_namespace)


class ListParameters(Parameters):
    """Parameters of a list."""

    namespace: Annotated[
        NamespaceOrAll,
        Field(
            description="Namespace to list. `*`: all namespaces in which the caller may list.",
            json_schema_extra=show_default,
        ),
    ] = Field(default_factory=default_namespace)
    label_selector: Annotated[
        str | None,
        Field(
            alias="labelSelector",
            max_length=MAX_SELECTOR_CHARS,
            description="Label selector, such as `team=a,stage!=test`.",
        ),
    ] = None
    field_selector: Annotated[
        str | None,
        Field(
            alias="fieldSelector",
            max_length=MAX_FIELD_SELECTOR_CHARS,
            description="Field selector with `metadata.name`, `metadata.namespace` and"
            " the fields of the kind's `selectableFields`.",
            examples=["status.phase=Running"],
        ),
    ] = None
    limit: Annotated[int | None, Field(ge=0, le=2**31 - 1, description=LIMIT)] = None
    continue_: Continue = None

    @property
    def everywhere(self) -> bool:
        """True for a list of all namespaces."""
        return self.namespace == ALL_NAMESPACES

    def upstream(self) -> dict[str, str]:
        """Return the parameters of the request to the API server."""
        given = self.model_dump(by_alias=True, exclude_none=True, exclude={"namespace"})
        return {name: str(value) for name, value in given.items()}


class TrashParameters(ListParameters):
    """Parameters of a list of Tombstones."""

    kind: Annotated[
        TrashedKind | None,
        Field(description="Kind of the deleted objects."),
    ] = None
    name: Annotated[
        str | None,
        AfterValidator(_optional_name),
        Field(description="Name of the deleted objects."),
    ] = None

    def upstream(self) -> dict[str, str]:
        """Return the parameters of the request to the API server."""
        fields = {"spec.kind": self.kind, "spec.name": self.name}
        terms = [f"{field}={value}" for field, value in fields.items() if value]
        selector = ",".join(filter(None, [self.field_selector, *terms]))
        given = super().upstream()
        given = {key: value for key, value in given.items() if key not in {"kind", "name"}}
        return given | ({"fieldSelector": selector} if selector else {})


class WatchParameters(ListParameters):
    """Parameters of a list or a watch."""

    watch: Annotated[bool, Field(description="Watch for changes, as Server-Sent Events.")] = False
    resource_version: Annotated[
        str | None,
        Field(
            alias="resourceVersion",
            max_length=MAX_VERSION_CHARS,
            description="With `watch`: version to start after. Default: start with all objects.",
        ),
    ] = None

    def watching(self) -> bool:
        """Return whether the request is a watch.

        Raises:
            BadRequest: some parameters are not valid for a watch, or for a list.
        """
        if self.watch:
            given, message = (
                {"limit": self.limit, "continue": self.continue_},
                "is not allowed with watch",
            )
        else:
            given, message = (
                {"resourceVersion": self.resource_version},
                "is allowed only with watch=true",
            )
        causes = [
            Cause("FieldValueForbidden", name, message)
            for name, value in given.items()
            if value is not None
        ]
        if causes:
            raise BadRequest.of(causes)
        return self.watch

    def upstream(self) -> dict[str, str]:
        """Return the parameters of the request to the API server, except a watch's start."""
        own = {"watch", "resourceVersion"}
        return {key: value for key, value in super().upstream().items() if key not in own}


def dry_run(value: str | None) -> dict[str, str]:
    """Return the parameter ``dryRun`` if it has a value."""
    return {"dryRun": value} if value else {}


async def no_repeats(request: Request, _: CallerDep) -> None:
    """Refuse a parameter that occurs twice, instead of picking one value. FastAPI dependency.

    It takes the caller so that a client without a token learns only that.

    Raises:
        BadRequest: a parameter occurs twice.
    """
    if b"&" not in request.scope["query_string"]:
        return
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if len(counts) > MAX_PARAMETERS:
        raise BadRequest(f"too many parameters: the limit is {MAX_PARAMETERS}")
    if twice := sorted(name for name, count in counts.items() if count > 1):
        causes = [Cause("FieldValueDuplicate", name, "must be given only once") for name in twice]
        raise BadRequest(f"parameters given more than once: {', '.join(twice)}", causes=causes)


def namespace_of(parameter: str | None, body: Mapping[str, Any]) -> str:
    """Return the namespace of ``?namespace`` and ``metadata.namespace``, which must agree.

    Raises:
        BadRequest: they differ, or the body's is not a valid name.
    """
    metadata = body.get("metadata")
    given = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    if given is None or given == "":
        return parameter or default_namespace()
    if not is_dns_label(given):
        message = "must be a DNS-1123 label"
    elif parameter not in (None, given):
        message = f"must be {parameter}, as in the parameter namespace"
    else:
        return str(given)
    raise BadRequest.of([Cause("FieldValueInvalid", "metadata.namespace", message)])
