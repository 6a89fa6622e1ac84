"""The objects that a run uses: which version of each, and its content. Pure.

A Bot's prompt may change a minute after an answer. So each run records the objects that its plan is
made of, by the hash of their specs, and the store keeps the specs. Users can compute the hash:
``kubectl get ghost NAME -o json | jq -cS .spec | sha256sum``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from wegent_crds.kinds.task_status import RAN_MAX_OBJECTS, SHORT_HASH_CHARACTERS
from wegent_crds.registry import BY_PLURAL
from wegent_runner.runs.text import storable

ORDER: Final = ("Team", "Bot", "Ghost", "Model", "Shell", "Skill")


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object.

    Attributes:
        kind: Name of the kind, such as ``Ghost``.
        generation: ``metadata.generation``.
        hash: SHA-256 hash of the spec's :func:`canonical` form, in hexadecimal.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    hash: str


@dataclass(frozen=True, slots=True)
class UsedObject:
    """One version of an object that a run uses, with its spec. Two are equal if the versions are.

    The spec is the one that the plan is made of, and not a copy: prompts can be long.
    """

    version: ObjectVersion
    spec: Mapping[str, Any] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """The objects that one attempt used, and those that follow it up to the next record."""

    attempt: int
    objects: tuple[ObjectVersion, ...]


def used_object(plural: str, body: Mapping[str, Any]) -> UsedObject:
    """Return the version of an object as it was read, with its spec."""
    metadata, spec = body["metadata"], body["spec"]
    version = ObjectVersion(
        kind=BY_PLURAL[plural].kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        hash=hash_of(spec),
    )
    return UsedObject(version, spec)


def used_objects(*read: tuple[str, Mapping[str, Any]]) -> tuple[UsedObject, ...]:
    """Return the versions of objects, each given with the plural of its kind."""
    return tuple(used_object(plural, body) for plural, body in read)


def in_order(used: Iterable[UsedObject]) -> tuple[UsedObject, ...]:
    """Return objects by kind, namespace and name, each version once.

    Skills are last: they are the most, and ``status.ran`` has room for some hundred objects.
    """

    def key(it: UsedObject) -> tuple[int, str, str]:
        return ORDER.index(it.version.kind), it.version.namespace, it.version.name

    return tuple(sorted(dict.fromkeys(used), key=key))


def hash_of(spec: Mapping[str, Any]) -> str:
    """Return the SHA-256 hash of a spec, in hexadecimal."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


def canonical(spec: Mapping[str, Any]) -> str:
    """Return a spec as one line of JSON: keys sorted, no spaces, no escapes but those of JSON.

    It ends with a line feed, as the output of ``jq -cS`` does.
    """
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return storable(text) + "\n"


def short_entries(versions: Iterable[ObjectVersion]) -> list[dict[str, Any]]:
    """Return the entries of ``status.ran``, as many as the status may hold."""
    return [
        {
            "kind": it.kind,
            "namespace": it.namespace,
            "name": it.name,
            "generation": it.generation,
            "hash": it.hash[:SHORT_HASH_CHARACTERS],
        }
        for it in islice(versions, RAN_MAX_OBJECTS)
    ]
