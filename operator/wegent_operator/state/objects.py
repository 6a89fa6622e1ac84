"""The parts of an object that the operator keeps in memory: those that verdicts need.

A prompt of 128 KiB never stays in memory; a reference does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from wegent_crds.access import access_from
from wegent_crds.api_keys import ROLE
from wegent_crds.conditions import StoredCondition, conditions_of
from wegent_crds.members import ROLES, own_namespace
from wegent_crds.moments import moment
from wegent_crds.phases import FINAL, Phase
from wegent_crds.reading import integer, mapping, mappings, text, texts
from wegent_crds.references import ObjectKey, Reference, references_of
from wegent_crds.registry import (
    ACCOUNT,
    BY_KIND,
    BY_PLURAL,
    GHOST,
    GROUP_KIND,
    MODEL,
    SHELL,
    SKILL,
    TASK,
    TEAM,
    TOMBSTONE,
    Kind,
)
from wegent_crds.schema.mcp_servers import transport_of
from wegent_crds.schema.status import READINESS
from wegent_crds.selectors import LabelSelector
from wegent_crds.well_known import (
    REQUESTS_PER_MINUTE,
    TOKENS_PER_DAY,
    TRASH_FINALIZER,
    former_lives,
)
from wegent_kube.resources import NAMESPACES, RBAC_ROLES
from wegent_operator.state.tasks import TaskProgress, task_progress_of

_OTHER_KINDS: Final = {NAMESPACES.plural: "Namespace", RBAC_ROLES.plural: "Role"}
UNKNOWN_AGE: Final = datetime.max.replace(tzinfo=UTC)
"""Creation time of an object that has none. With it, the object is never older than another."""


@dataclass(frozen=True, slots=True)
class Membership:
    """One item of an Account's ``spec.namespaces``."""

    namespace: str
    role: str


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """The spec of an Account."""

    role: str
    memberships: tuple[Membership, ...]
    suspended: bool
    created: datetime
    """Creation time. A membership that is older was given to an earlier user of the name."""


@dataclass(frozen=True, slots=True)
class TombstoneSpec:
    """The spec of a Tombstone."""

    expires_at: datetime | None
    """None if the Tombstone has no expiry time and never expires."""
    restore: bool


@dataclass(frozen=True, slots=True)
class McpServerState:
    """One MCP server of a Ghost or Skill."""

    name: str
    is_stdio: bool
    """True if the server is a program to start, and not a URL to call."""
    key_secrets: tuple[tuple[str, str], ...]
    """The headers with values from Secrets, each with the name of its Secret; ordered."""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object, reduced to the parts that verdicts of any kind need.

    A kind that needs more has a subclass.
    """

    key: ObjectKey
    uid: str
    version: int
    """``metadata.resourceVersion``; the API server's are integers that only grow (KEP-5504)."""
    generation: int
    references: tuple[Reference, ...]
    access_from: tuple[LabelSelector, ...]
    conditions: tuple[StoredCondition, ...]
    """The status as last seen or written, foreign condition types included."""
    observed_generation: int | None
    ready: str
    """``status.ready``, which repeats the status of the condition Ready."""
    deleting: bool
    deleted_at: datetime | None
    """Time of the request to delete the object."""
    finalizers: tuple[str, ...]
    restored_from: str | None
    """Name of the Tombstone that restored the object; while that exists, it isn't complete."""

    @property
    def has_finalizer(self) -> bool:
        """True if the object has the trash's finalizer, which delays its deletion."""
        return TRASH_FINALIZER in self.finalizers


@dataclass(frozen=True, slots=True)
class ModelState(ObjectState):
    """A Model."""

    provider: str | None
    key_secret: str | None
    """Name of the Secret with the API key."""


@dataclass(frozen=True, slots=True)
class ToolsState(ObjectState):
    """A Ghost, or a Skill."""

    mcp_servers: tuple[McpServerState, ...]
    """Ordered by name."""


@dataclass(frozen=True, slots=True)
class ShellState(ObjectState):
    """A Shell."""

    type: str | None
    supported_providers: tuple[str, ...]
    """Empty means all."""


@dataclass(frozen=True, slots=True)
class TeamState(ObjectState):
    """A Team."""

    mode: str
    """The mode of collaboration."""


@dataclass(frozen=True, slots=True)
class TaskState(ObjectState):
    """A Task."""

    progress: TaskProgress

    @property
    def has_run(self) -> bool:
        """True once the Task has left Pending. From then on its runner sets its conditions."""
        return self.progress.phase is not Phase.PENDING

    @property
    def end(self) -> Phase | None:
        """The final phase; None if the Task has not ended."""
        return self.progress.phase if self.progress.phase in FINAL else None


@dataclass(frozen=True, slots=True)
class AccountState(ObjectState):
    """An Account."""

    spec: AccountSpec


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One item of a Group's ``spec.members``."""

    username: str
    role: str
    account_uid: str
    """UID of the only Account that the member may be; empty if the spec names none."""


@dataclass(frozen=True, slots=True)
class GroupState(ObjectState):
    """A Group."""

    members: tuple[GroupMember, ...]
    bound: tuple[tuple[str, str], ...]
    """``status.members``: user names, with the UIDs of their Accounts or an empty text."""
    quota: tuple[tuple[str, int], ...] | None
    """Counts by resource; None for the default quota."""
    limits: tuple[tuple[str, str], ...]
    """Annotations that the namespace must have."""
    changed: datetime
    """Time of the last change by a client. Each member is at least as old."""


@dataclass(frozen=True, slots=True)
class TombstoneState(ObjectState):
    """A Tombstone."""

    spec: TombstoneSpec


def state_of(  # noqa: PLR0911 - one return for each kind
    kind: Kind, body: Mapping[str, Any]
) -> ObjectState:
    """Return the state of an object that the API server sent.

    Spec and status may contain anything; a value that doesn't fit the schema is ignored.

    Raises:
        KeyError, TypeError, ValueError: the metadata is not valid.
    """
    metadata, spec = body["metadata"], mapping(body.get("spec"))
    common = _common(kind, body)
    if kind is MODEL:
        return ModelState(
            **common,
            provider=text(spec.get("provider")) or None,
            key_secret=text(mapping(spec.get("apiKeySecretRef")).get("name")) or None,
        )
    if kind in (GHOST, SKILL):
        return ToolsState(**common, mcp_servers=tuple(_mcp_servers(spec)))
    if kind is SHELL:
        return ShellState(
            **common,
            type=text(spec.get("type")) or None,
            supported_providers=texts(spec.get("supportedProviders")),
        )
    if kind is TEAM:
        return TeamState(**common, mode=text(spec.get("collaborationMode")) or "solo")
    if kind is TASK:
        return TaskState(**common, progress=task_progress_of(body))
    if kind is ACCOUNT:
        return AccountState(**common, spec=_account_spec(metadata, spec))
    if kind is GROUP_KIND:
        return GroupState(**common, **_group(body))
    if kind is TOMBSTONE:
        return TombstoneState(**common, spec=_tombstone_spec(spec))
    return ObjectState(**common)


def _common(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the state of each kind has."""
    metadata = body["metadata"]
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    return {
        "key": ObjectKey(kind.plural, metadata["namespace"], metadata["name"]),
        "uid": metadata["uid"],
        "version": int(metadata["resourceVersion"]),
        "generation": metadata.get("generation", 0),
        "references": tuple(_references(kind, metadata, spec, body)),
        "access_from": access_from(spec),
        "conditions": conditions_of(body),
        "observed_generation": integer(status.get("observedGeneration")),
        "ready": text(status.get("ready")) or READINESS,
        "deleting": "deletionTimestamp" in metadata,
        "deleted_at": moment(metadata.get("deletionTimestamp")),
        "finalizers": tuple(metadata.get("finalizers") or ()),
        "restored_from": next(iter(former_lives(metadata.get("annotations"))), None),
    }


def version_of(body: Mapping[str, Any]) -> int:
    """Return an object's version; 0, which is older than all others, where it names none."""
    return int(body["metadata"].get("resourceVersion") or 0)


def title(key: ObjectKey) -> str:
    """Return an object's kind and full name, for messages and logs."""
    kind = BY_PLURAL[key.plural].kind if key.plural in BY_PLURAL else _OTHER_KINDS[key.plural]
    return f"{kind} {key.namespace}/{key.name}" if key.namespace else f"{kind} {key.name}"


def namespace_key(name: str) -> ObjectKey:
    """Return the key under which a namespace stands in the index of references."""
    return ObjectKey(NAMESPACES.plural, "", name)


def key_secrets_of(state: ObjectState) -> frozenset[str]:
    """Return the names of the Secrets with the API keys and headers to which an object refers."""
    return frozenset(name for _, name in key_places_of(state))


def key_places_of(state: ObjectState) -> Iterator[tuple[str, str]]:
    """Yield each field that names a Secret with a key, and the name of the Secret."""
    if isinstance(state, ModelState) and state.key_secret:
        yield "spec.apiKeySecretRef", state.key_secret
    if isinstance(state, ToolsState):
        for server in state.mcp_servers:
            for header, name in server.key_secrets:
                yield f"spec.mcpServers[{server.name}].headersFrom[{header}]", name


def key_role_key(namespace: str) -> ObjectKey:
    """Return the key of the Role that lets the runner read the API keys of a namespace."""
    return ObjectKey(RBAC_ROLES.plural, namespace, ROLE)


def _namespaces_of(account: str, spec: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield references to the namespaces that an Account needs.

    The Account is reconciled when one of them changes.
    """
    yield Reference("metadata.name", namespace_key(own_namespace(account)))
    for index, item in mappings(spec.get("namespaces")):
        if name := text(item.get("name")):
            yield Reference(f"spec.namespaces[{index}]", namespace_key(name))


def _account_spec(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> AccountSpec:
    """Return an Account's spec.

    An invalid role is a plain user's, an invalid membership is ignored, and any true value of
    ``suspended`` suspends.
    """
    return AccountSpec(
        role="admin" if spec.get("role") == "admin" else "user",
        memberships=tuple(
            Membership(item["name"], item["role"])
            for _, item in mappings(spec.get("namespaces"))
            if text(item.get("name")) and item.get("role") in ROLES
        ),
        suspended=bool(spec.get("suspended")),
        created=moment(metadata.get("creationTimestamp")) or UNKNOWN_AGE,
    )


def _needs_of_group(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield references to the namespace of a Group, and to the Accounts of its members."""
    yield Reference("metadata.name", namespace_key(metadata["name"]))
    for index, item in mappings(spec.get("members")):
        if name := text(item.get("username")):
            target = ObjectKey(ACCOUNT.plural, metadata["namespace"], name)
            yield Reference(f"spec.members[{index}].username", target)


def _group(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the own fields of a Group's state. Invalid members and counts are ignored."""
    spec, limits = mapping(body.get("spec")), mapping(mapping(body.get("spec")).get("limits"))
    counts = {
        REQUESTS_PER_MINUTE: integer(limits.get("requestsPerMinute")),
        TOKENS_PER_DAY: integer(limits.get("tokensPerDay")),
    }
    quota = spec.get("quota")
    return {
        "members": tuple(
            GroupMember(item["username"], item["role"], text(item.get("accountUid")))
            for _, item in mappings(spec.get("members"))
            if text(item.get("username")) and item.get("role") in ROLES
        ),
        "bound": tuple(
            (item["username"], text(item.get("accountUid")))
            for _, item in mappings(mapping(body.get("status")).get("members"))
            if text(item.get("username"))
        ),
        "quota": None
        if quota is None
        else tuple(
            (name, count)
            for name, value in sorted(mapping(quota).items())
            if (count := integer(value)) is not None
        ),
        "limits": tuple((name, str(count)) for name, count in counts.items() if count),
        "changed": _changed_at(body["metadata"]),
    }


def _changed_at(metadata: Mapping[str, Any]) -> datetime:
    """Return the time of the last change that a client made outside of subresources."""
    times = [
        moment(item.get("time"))
        for _, item in mappings(metadata.get("managedFields"))
        if not item.get("subresource")
    ]
    return max(filter(None, [moment(metadata.get("creationTimestamp")), *times]))


def _mcp_servers(spec: Mapping[str, Any]) -> Iterator[McpServerState]:
    for name, value in sorted(mapping(spec.get("mcpServers")).items()):
        server = mapping(value)
        secrets = (
            (header, text(mapping(mapping(source).get("secretKeyRef")).get("name")))
            for header, source in mapping(server.get("headersFrom")).items()
        )
        yield McpServerState(
            name=name,
            is_stdio=transport_of(server.get("type"), server.get("command")) == "stdio",
            key_secrets=tuple(sorted((header, name) for header, name in secrets if name)),
        )


def _tombstone_spec(spec: Mapping[str, Any]) -> TombstoneSpec:
    return TombstoneSpec(
        expires_at=moment(spec.get("expiresAt")), restore=spec.get("restore") is True
    )


def _references(
    kind: Kind, metadata: Mapping[str, Any], spec: Mapping[str, Any], body: Mapping[str, Any]
) -> Iterable[Reference]:
    if kind is ACCOUNT:
        return _namespaces_of(metadata["name"], spec)
    if kind is GROUP_KIND:
        return _needs_of_group(metadata, spec)
    if kind is TOMBSTONE:
        return _place_of(metadata["namespace"], spec)
    return references_of(kind, metadata["namespace"], body)


def _place_of(namespace: str, spec: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield a reference to the name that a restore needs.

    The Tombstone is reconciled when the name is free.
    """
    kind, name = BY_KIND.get(text(spec.get("kind"))), text(spec.get("name"))
    if kind is not None and name:
        yield Reference("spec.name", ObjectKey(kind.plural, namespace, name))
