"""The admission policy that warns of two items of a list that mean the same object.

The schema refuses two items with the same name and namespace. A rule of the schema can't see
``metadata.namespace``, so that an item without a namespace and one with the object's own seem to be
two objects. A policy sees it. It warns and does not refuse, as for every other fault of references:
users may correct them later and in any order, and the condition reports them until then.
"""

from typing import Any, Final

from codegen.policy_parts import validating
from wegent_crds.registry import KINDS, Kind, ReferenceField

LISTED: Final = [
    (kind, reference)
    for kind in KINDS
    for reference in kind.references
    if reference.path.endswith("[]")
]


def warn_of_duplicates() -> dict[str, Any]:
    """Return the policy, with a rule for each list of references in the table of kinds."""
    return validating(
        "wegent-duplicates",
        ["CREATE", "UPDATE"],
        sorted({kind.plural for kind, _ in LISTED}),
        {},
        [_rule(kind, reference) for kind, reference in LISTED],
    )


def _rule(kind: Kind, reference: ReferenceField) -> tuple[str, str]:
    spec, field = reference.path.removesuffix("[]").split(".")
    # dyn() is needed, as the policy's other kinds don't have the field.
    items = f"dyn(object).{spec}.?{field}.orValue([])"
    namespace = "{}.?namespace.orValue('')".format
    return (
        (
            f"object.kind != '{kind.kind}' || !{items}.exists(it,"
            f" {namespace('it')} == object.metadata.namespace && {items}.exists(other,"
            f" {namespace('other')} == '' && other.name == it.name))"
        ),
        (
            f"{spec}.{field}: two items mean the same object, one with the object's own namespace"
            f" and one without; the {kind.kind} is not Ready (DuplicateRef) until one is removed"
        ),
    )
