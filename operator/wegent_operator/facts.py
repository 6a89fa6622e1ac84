"""What the operator remembers of an object: what verdicts need, and nothing more.

A prompt of 128 KiB never stays in memory; a reference does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wegent_crds.kinds import ACCOUNT, BY_KIND, TASK, TOMBSTONE, Kind
from wegent_crds.marks import RESTORED_FROM, TRASH_FINALIZER
from wegent_crds.phases import Phase
from wegent_crds.references import ObjectKey, Reference, references_of
from wegent_kube.resources import NAMESPACES
from wegent_operator.selectors import LabelSelector, selectors_of
from wegent_operator.task_facts import TaskFacts, task_facts_of


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of ``status.conditions``, as metav1.Condition has it."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int | None
    last_transition_time: str

    def to_json(self) -> dict[str, Any]:
        """Return the condition as the API has it."""
        body: dict[str, Any] = {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.last_transition_time,
        }
        if self.observed_generation is not None:
            body["observedGeneration"] = self.observed_generation
        return body


@dataclass(frozen=True, slots=True)
class Membership:
    """One item of an Account's ``spec.namespaces``."""

    namespace: str
    role: str


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What an Account asks for."""

    role: str
    memberships: tuple[Membership, ...]
    suspended: bool
    created: datetime
    """What was given to a user of this name before was given to somebody else."""


@dataclass(frozen=True, slots=True)
class TombstoneSpec:
    """What a Tombstone is to do."""

    expires_at: datetime
    restore: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """One object, reduced. Equal facts give equal verdicts."""

    key: ObjectKey
    uid: str
    version: int
    """``metadata.resourceVersion``; the API server's are integers that only grow (KEP-5504)."""
    generation: int
    references: tuple[Reference, ...]
    access_from: tuple[LabelSelector, ...]
    provider: str | None
    """A Model's provider."""
    supported_providers: tuple[str, ...]
    """A Shell's providers; empty means all."""
    account: AccountSpec | None
    conditions: tuple[Condition, ...]
    """The status as last seen or written, foreign condition types included."""
    observed_generation: int | None
    tombstone: TombstoneSpec | None
    deleting: bool
    finalizers: tuple[str, ...]
    restored_from: str | None
    """Name of the Tombstone that brought it back; while that is there, it isn't whole yet."""
    task: TaskFacts | None

    @property
    def has_run(self) -> bool:
        """Whether a Task has left Pending: from then on its conditions are its runner's."""
        return self.task is not None and self.task.phase is not Phase.PENDING

    @property
    def judged(self) -> bool:
        """Whether the operator still gives verdicts."""
        return not (self.deleting or self.has_run)

    @property
    def held(self) -> bool:
        """Whether deletion waits for the trash."""
        return TRASH_FINALIZER in self.finalizers


def facts_of(kind: Kind, body: Mapping[str, Any]) -> Facts:
    """Reduce an object, as the API server sent it, to its facts."""
    metadata = body["metadata"]
    spec = body.get("spec") or {}
    status = body.get("status") or {}
    access = spec.get("accessFrom") or {}
    return Facts(
        key=ObjectKey(kind.plural, metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=metadata.get("generation", 0),
        references=tuple(_references(kind, metadata, body)),
        access_from=selectors_of(access.get("namespaceSelectors") or ()),
        provider=spec.get("provider"),
        supported_providers=tuple(spec.get("supportedProviders") or ()),
        account=_account_spec(metadata, spec) if kind is ACCOUNT else None,
        conditions=conditions_of(status),
        observed_generation=status.get("observedGeneration"),
        tombstone=_tombstone_spec(spec) if kind is TOMBSTONE else None,
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        restored_from=(metadata.get("annotations") or {}).get(RESTORED_FROM),
        task=task_facts_of(body) if kind is TASK else None,
    )


def conditions_of(status: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Return the conditions of a status."""
    return tuple(
        Condition(
            type=condition["type"],
            status=condition["status"],
            reason=condition.get("reason", ""),
            message=condition.get("message", ""),
            observed_generation=condition.get("observedGeneration"),
            last_transition_time=condition.get("lastTransitionTime", ""),
        )
        for condition in status.get("conditions") or ()
    )


def own_namespace(account: str) -> str:
    """Return the name of a user's own namespace."""
    return f"wegent-{account}"


def namespace_key(name: str) -> ObjectKey:
    """Return the key under which a namespace stands in the index of references."""
    return ObjectKey(NAMESPACES.plural, "", name)


def _namespaces_of(account: str, spec: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield the namespaces that an Account needs: when one comes or goes the Account is seen to."""
    yield Reference("metadata.name", namespace_key(own_namespace(account)))
    for index, item in enumerate(spec.get("namespaces") or ()):
        yield Reference(f"spec.namespaces[{index}]", namespace_key(item["name"]))


def _account_spec(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> AccountSpec:
    return AccountSpec(
        role=spec.get("role", "user"),
        memberships=tuple(
            Membership(item["name"], item["role"]) for item in spec.get("namespaces") or ()
        ),
        suspended=bool(spec.get("suspended")),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
    )


def _tombstone_spec(spec: Mapping[str, Any]) -> TombstoneSpec:
    return TombstoneSpec(
        expires_at=datetime.fromisoformat(spec["expiresAt"]), restore=bool(spec.get("restore"))
    )


def _references(
    kind: Kind, metadata: Mapping[str, Any], body: Mapping[str, Any]
) -> Iterable[Reference]:
    if kind is ACCOUNT:
        return _namespaces_of(metadata["name"], body.get("spec") or {})
    if kind is TOMBSTONE:
        return _place_of(metadata["namespace"], body["spec"])
    return references_of(kind, metadata["namespace"], body)


def _place_of(namespace: str, spec: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield where a Tombstone's object belongs: when that place is free it may come back."""
    plural = BY_KIND[spec["kind"]].plural
    yield Reference("spec.name", ObjectKey(plural, namespace, spec["name"]))
