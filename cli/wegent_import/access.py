"""``accessFrom``: permission for references that cross from one namespace to another.

Wegent lets every reference cross. Here, the owner of the referenced object permits it, so that the
import of both objects writes the permission as well.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wegent_crds.references import references_of
from wegent_crds.registry import BY_KIND, BY_PLURAL
from wegent_import.notes import Note, NoteKind

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""Label of each namespace with its name."""
VALUES_MAX: Final = 16
SELECTORS_MAX: Final = 8

Key = tuple[str, str, str]


def permit(objects: Mapping[Key, dict[str, Any]], labels: Mapping[Key, str]) -> list[Note]:
    """Add ``accessFrom`` to objects to which others of another namespace refer.

    Args:
        objects: Objects by kind, namespace and name. Their specs are changed.
        labels: The documents' labels for notes.
    """
    wanted: dict[Key, set[str]] = defaultdict(set)
    for (kind, namespace, _), body in objects.items():
        for reference in references_of(BY_KIND[kind], namespace, body):
            target = reference.target
            key = (BY_PLURAL[target.plural].kind, target.namespace, target.name)
            if target.namespace != namespace and key in objects:
                wanted[key].add(namespace)
    notes = []
    for key, namespaces in sorted(wanted.items()):
        spec = objects[key]["spec"]
        if spec.get("accessFrom"):
            continue  # the document says it itself
        spec["accessFrom"] = {"namespaceSelectors": _selectors(sorted(namespaces))}
        message = f"lets in {', '.join(sorted(namespaces)[:4])}"
        if len(namespaces) > 4:
            message += f" and {len(namespaces) - 4} more"
        notes.append(Note(labels[key], "spec.accessFrom", NoteKind.CHANGED, message))
        if len(namespaces) > VALUES_MAX * SELECTORS_MAX:
            most = VALUES_MAX * SELECTORS_MAX
            text = f"more than {most} namespaces refer to the object; make its namespace shared"
            notes.append(Note(labels[key], "spec.accessFrom", NoteKind.TODO, text))
    return notes


def _selectors(namespaces: list[str]) -> list[dict[str, Any]]:
    if len(namespaces) == 1:
        return [{"matchLabels": {NAME_LABEL: namespaces[0]}}]
    chunks: Iterable[list[str]] = (
        namespaces[at : at + VALUES_MAX] for at in range(0, len(namespaces), VALUES_MAX)
    )
    return [
        {"matchExpressions": [{"key": NAME_LABEL, "operator": "In", "values": chunk}]}
        for chunk in list(chunks)[:SELECTORS_MAX]
    ]
