"""The rule of ``spec.accessFrom``: which namespaces may refer to an object.

The operator and the runner share it. The operator's verdict is older than the objects that the
runner reads, so the runner applies the rule once more to each object that it uses.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from wegent_crds.reading import mapping
from wegent_crds.selectors import LabelSelector, selectors_of


def access_from(spec: Mapping[str, Any]) -> tuple[LabelSelector, ...]:
    """Return the selectors of the namespaces that the spec of an object lets in."""
    return selectors_of(mapping(spec.get("accessFrom")).get("namespaceSelectors"))


def is_open(namespace: str, home: str, shared: AbstractSet[str]) -> bool:
    """Return whether objects in ``home`` may refer to all objects of a namespace.

    Args:
        namespace: Namespace of the referents.
        home: Namespace of the referrers.
        shared: The shared namespaces.
    """
    return namespace == home or namespace in shared


def is_let_in(labels: Mapping[str, str], selectors: Iterable[LabelSelector]) -> bool:
    """Return whether ``accessFrom`` lets in a namespace with these labels."""
    return any(selector.matches(labels) for selector in selectors)
