"""Query parameters: for each sort of request a closed set.

What is misspelt must not be ignored: a deletion with ``?dryrun=All`` would be one.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wegent_api.http.bearer import CallerDep
from wegent_api.http.errors import BadRequest, Cause
from wegent_api.names import SUBDOMAIN_SCHEMA, dns_label, dns_subdomain, is_dns_label
from wegent_api.version import USER_AGENT
from wegent_crds.kinds.tombstone import TrashedKind

DEFAULT_NAMESPACE: Final = "default"
ALL_NAMESPACES: Final = "*"
MAX_SELECTOR_CHARS: Final = 2048
"""Far more than a person writes; the request's URL is bounded anyway."""
MAX_FIELD_SELECTOR_CHARS: Final = 1024
"""A reference and a namespace of full length, and more. With the longest `labelSelector` and
`continue`, twelve bytes a character, the URL is still one that is read."""
MAX_VERSION_CHARS: Final = 64
"""Three times what 64 bits take."""
MAX_CONTINUE_CHARS: Final = 2048
"""The API server's tokens hold a name and a revision."""
FIELD_MANAGER: Final = USER_AGENT.partition("/")[0]
"""Who owns the fields that are written, to server-side apply: as the API server names us."""
MAX_FIELD_MANAGER_CHARS: Final = 128
"""The API server's bound."""


MAX_PARAMETERS: Final = 32
"""Different ones in one request: more than any route has."""


def _label_or_all(value: str) -> str:
    return value if value == ALL_NAMESPACES else dns_label(value)


Namespace = Annotated[str, AfterValidator(dns_label)]
NamespaceOrAll = Annotated[str, AfterValidator(_label_or_all)]
Name = Annotated[
    str, Path(description="Name of the object."), AfterValidator(dns_subdomain), SUBDOMAIN_SCHEMA
]
DryRun = Annotated[
    Literal["All"] | None,
    Field(alias="dryRun", description="`All`: judge and answer as if, and store nothing."),
]
FieldManager = Annotated[
    str,
    Field(
        alias="fieldManager",
        min_length=1,
        max_length=MAX_FIELD_MANAGER_CHARS,
        pattern=r"^[ -~]+$",
        description="Who owns the fields that are written.",
    ),
]
Force = Annotated[
    bool | None,
    Field(
        description="Take over fields that another manager owns; server-side apply alone. Left"
        " out, those of the caller's own updates are taken over."
    ),
]
"""Without a default in the OpenAPI document: generated clients send the defaults that are there."""
ValidateRefs = Annotated[
    bool,
    Field(
        alias="validateRefs",
        description="Refuse the object if something that it refers to isn't there.",
    ),
]


def _optional_name(value: str | None) -> str | None:
    return None if value is None else dns_subdomain(value)


class Parameters(BaseModel):
    """Base of all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OneParameters(Parameters):
    """Of requests for one object."""

    namespace: Namespace = DEFAULT_NAMESPACE


class ReferrersParameters(OneParameters):
    """Of what refers to an object."""

    continue_: Annotated[str | None, Field(alias="continue", max_length=MAX_CONTINUE_CHARS)] = None


class DeleteParameters(OneParameters):
    """Of the deletion of an object."""

    dry_run: DryRun = None


class WriteParameters(Parameters):
    """Of the creation and the replacement of an object."""

    namespace: Annotated[
        Namespace | None, Field(description="As in the body, if both are given; default: default.")
    ] = None
    dry_run: DryRun = None
    validate_refs: ValidateRefs = True

    def upstream(self) -> dict[str, str]:
        """Return what the API server is sent."""
        return {"fieldValidation": "Strict"} | dry_run(self.dry_run)


class PatchParameters(WriteParameters):
    """Of a change to an object."""

    field_manager: FieldManager = FIELD_MANAGER
    force: Force = None

    @property
    def takes_over_own(self) -> bool:
        """Whether an apply takes over fields of the caller's own updates.

        A client that names another manager, or says ``force=false``, asks for conflicts.
        """
        return self.field_manager == FIELD_MANAGER and self.force is None

    def upstream(self) -> dict[str, str]:
        """Return what the API server is sent."""
        force = {"force": "true"} if self.force else {}
        return super().upstream() | {"fieldManager": self.field_manager} | force


class ApplyParameters(PatchParameters):
    """Of objects that are applied together."""

    namespace: Annotated[
        Namespace, Field(description="Of the documents that don't say theirs.")
    ] = DEFAULT_NAMESPACE


class ListParameters(Parameters):
    """Of a list."""

    namespace: Annotated[
        NamespaceOrAll, Field(description="`*`: all in which the caller may list.")
    ] = DEFAULT_NAMESPACE
    label_selector: Annotated[
        str | None, Field(alias="labelSelector", max_length=MAX_SELECTOR_CHARS)
    ] = None
    field_selector: Annotated[
        str | None,
        Field(
            alias="fieldSelector",
            max_length=MAX_FIELD_SELECTOR_CHARS,
            description="As kubectl's `--field-selector`: `metadata.name`, `metadata.namespace` and"
            " the fields of the kind's `selectableFields`.",
            examples=["status.phase=Running"],
        ),
    ] = None
    limit: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None
    continue_: Annotated[str | None, Field(alias="continue", max_length=MAX_CONTINUE_CHARS)] = None

    @property
    def everywhere(self) -> bool:
        """Whether it is a list of all namespaces."""
        return self.namespace == ALL_NAMESPACES

    def upstream(self) -> dict[str, str]:
        """Return what the API server is sent."""
        given = self.model_dump(by_alias=True, exclude_none=True, exclude={"namespace"})
        return {name: str(value) for name, value in given.items()}


class TrashParameters(ListParameters):
    """Of a list of Tombstones."""

    kind: Annotated[
        TrashedKind | None,
        Field(description="Kind of the deleted objects."),
    ] = None
    name: Annotated[
        str | None, AfterValidator(_optional_name), Field(description="Name that they had.")
    ] = None

    def upstream(self) -> dict[str, str]:
        """Return what the API server is sent."""
        fields = {"spec.kind": self.kind, "spec.name": self.name}
        terms = [f"{field}={value}" for field, value in fields.items() if value]
        selector = ",".join(filter(None, [self.field_selector, *terms]))
        given = super().upstream()
        given = {key: value for key, value in given.items() if key not in {"kind", "name"}}
        return given | ({"fieldSelector": selector} if selector else {})


class WatchParameters(ListParameters):
    """Of a list that may be followed."""

    watch: Annotated[bool, Field(description="Follow the changes, as Server-Sent Events.")] = False
    resource_version: Annotated[
        str | None,
        Field(
            alias="resourceVersion",
            max_length=MAX_VERSION_CHARS,
            description="With `watch`: go on from this version. Left out: from what is there.",
        ),
    ] = None

    def watching(self) -> bool:
        """Tell whether the list is to be followed.

        Raises:
            BadRequest: there are parameters that don't go with that, or with a list.
        """
        if self.watch:
            given, message = {"limit": self.limit, "continue": self.continue_}, "not with watch"
        else:
            given, message = {"resourceVersion": self.resource_version}, "only with watch=true"
        causes = [
            Cause("FieldValueForbidden", name, message)
            for name, value in given.items()
            if value is not None
        ]
        if causes:
            raise BadRequest.of(causes)
        return self.watch

    def upstream(self) -> dict[str, str]:
        """Return what the API server is sent, besides where a watch begins."""
        own = {"watch", "resourceVersion"}
        return {key: value for key, value in super().upstream().items() if key not in own}


def dry_run(value: str | None) -> dict[str, str]:
    """Return the parameter ``dryRun`` if it is to be sent."""
    return {"dryRun": value} if value else {}


async def no_repeats(request: Request, _: CallerDep) -> None:
    """FastAPI dependency: of a parameter that is given twice, none is picked.

    It needs the caller only so that who has no token learns nothing but that.

    Raises:
        BadRequest: one is.
    """
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if len(counts) > MAX_PARAMETERS:
        raise BadRequest(f"more than {MAX_PARAMETERS} parameters")
    if twice := sorted(name for name, count in counts.items() if count > 1):
        causes = [Cause("FieldValueDuplicate", name, "given more than once") for name in twice]
        raise BadRequest(f"given more than once: {', '.join(twice)}", causes=causes)


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
