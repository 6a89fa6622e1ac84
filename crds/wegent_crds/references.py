"""Find the references inside an object, by the table of kinds.

The operator and the proxy both ask "what does this object refer to?"; this is
the one answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wegent_crds.registry import Kind


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """What names one object in the cluster."""

    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference as found: ``field`` names it for people (``spec.bots[0]``)."""

    field: str
    target: ObjectKey


def references_of(kind: Kind, namespace: str, body: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield each reference of ``body``, in the order of the table and of its lists.

    A reference without a namespace points into ``namespace``, the object's own.
    What is not shaped like a reference (the API server has yet to refuse it) is
    passed over.
    """
    for reference in kind.references:
        for path, value in _walk(body, reference.path.split("."), ""):
            if isinstance(value, Mapping) and isinstance(value.get("name"), str):
                target = value.get("namespace")
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
