"""Finding the references of an object, by the table of kinds.

The operator and the API proxy share it, so that both see the same references.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wegent_crds.registry import Kind


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """The identity of one object in the cluster."""

    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference of an object. ``field`` is its path for messages: ``spec.bots[0]``."""

    field: str
    target: ObjectKey


def references_of(kind: Kind, namespace: str, body: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield each reference of ``body`` in the order of the table of kinds and of the body's lists.

    A reference without a namespace refers to ``namespace``, the object's own. A value without
    the form of a reference is skipped: the API server will reject it.
    """
    for reference in kind.references:
        for path, value in _walk(body, reference.path.split("."), ""):
            if isinstance(value, Mapping) and isinstance(value.get("name"), str):
                target = None if reference.local else value.get("namespace")
                target_namespace = target if isinstance(target, str) and target else namespace
                yield Reference(path, ObjectKey(reference.to, target_namespace, value["name"]))


def _walk(value: Any, steps: list[str], path: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield path, value
        return
    step, *rest = steps
    key = step.removesuffix("[]")
    if not isinstance(value, Mapping) or key not in value:
        return
    here = f"{path}.{key}" if path else key
    if key == step:
        yield from _walk(value[key], rest, here)
    elif isinstance(value[key], list):
        for index, item in enumerate(value[key]):
            yield from _walk(item, rest, f"{here}[{index}]")
