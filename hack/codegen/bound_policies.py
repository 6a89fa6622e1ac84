"""The admission policy that bounds metadata, so that a Tombstone of each object can be stored.

The schemas bound a spec and a status. The API server bounds annotations to 256 KiB, counted before
JSON escapes them, and no other part of the metadata. A Tombstone holds the whole object in the 1.5
MiB that etcd takes. If there is no room, the operator leaves out managed fields and the fields that
come back by themselves. An object from before the policy may still be too large for a Tombstone:
its condition Deleted says so, and a merge patch makes it smaller.

Each bound lets an update through that does not increase an excess: an object from before the policy
can still be changed, and made smaller.
"""

from collections.abc import Iterator
from typing import Any, Final

from codegen.files import GeneratedFile, yaml_file
from codegen.policy_parts import ALL, IS_OPERATOR, binding, validating
from wegent_crds.well_known import (
    CHANGED_BY,
    CREATED_BY,
    CREATOR,
    DELETED_BY,
    RESTORED_FROM,
    TRASH_FINALIZER,
)

MARKS: Final = (CREATED_BY, CREATOR, CHANGED_BY, DELETED_BY, RESTORED_FROM)
"""Annotations that are not counted: an update gets them without adding any itself."""
MAX_LABELS: Final = 64
"""Labels, of up to 380 bytes each; a Tombstone and managed fields repeat them."""
MAX_ANNOTATIONS: Final = 128
"""Annotations; managed fields repeat their keys, of up to 317 bytes each."""
MAX_ANNOTATION_BYTES: Final = 256 * 1024
"""The size of all keys and values as JSON. The API server has the same bound for them unescaped."""
MAX_OWNERS: Final = 16
MAX_OWNER_CHARS: Final = 1024
"""Characters of an owner's apiVersion, kind, name and uid together; the API server has no bound."""
MAX_FINALIZERS: Final = 16
"""Finalizers besides the trash's own, of up to 317 bytes each."""

HEAVY: Final = r"[<>&\\x00-\\x1f\\x{2028}\\x{2029}]"
"""Characters that take six bytes in Go's JSON, as a regular expression in a CEL string."""
DOUBLED: Final = r'["\\\\]'
"""Characters that take two bytes in JSON."""


def generate() -> Iterator[GeneratedFile]:
    """Yield the policy with its binding."""
    policy = _bounds()
    yield yaml_file(
        "config/policies/bounds.yaml",
        "hack/codegen/bound_policies.py",
        policy,
        binding(policy),
    )


def _bounds() -> dict[str, Any]:
    variables: dict[str, str] = {}
    for prefix, whose in (("", "object"), ("old_", "oldObject")):
        owners = f"{whose}.metadata.?ownerReferences.orValue([])"
        counts = {
            "labels": f"{whose}.metadata.?labels.orValue({{}}).size()",
            "annotations": (
                f"{whose}.metadata.?annotations.orValue({{}}).filter(key, !(key in {[*MARKS]}))"
            ),
            "text": (
                f"variables.{prefix}annotations"
                f".map(key, key + {whose}.metadata.annotations[key]).join()"
            ),
            "json_bytes": (
                f"bytes(variables.{prefix}text).size()"
                f" + 5 * variables.{prefix}text.findAll('{HEAVY}').size()"
                f" + variables.{prefix}text.findAll('{DOUBLED}').size()"
            ),
            "owners": f"{owners}.size()",
            "owner_chars": (
                f"({owners}.map(it, it.apiVersion.size() + it.kind.size() + it.name.size()"
                " + it.uid.size()) + [0]).max()"
            ),
            "finalizers": (
                f"{whose}.metadata.?finalizers.orValue([])"
                f".filter(it, it != '{TRASH_FINALIZER}').size()"
            ),
        }
        variables |= {f"{prefix}{name}": expression for name, expression in counts.items()}
    return validating(
        "wegent-bounds",
        ["CREATE", "UPDATE"],
        ALL,
        {"not-the-operator": f"!({IS_OPERATOR})"},
        [
            (
                _at_most(MAX_LABELS, "labels"),
                (
                    f"metadata.labels: an object has at most {MAX_LABELS} labels, so that the trash"
                    " can keep it; remove some, or make them annotations"
                ),
            ),
            (
                _at_most(MAX_ANNOTATIONS, "annotations", ".size()"),
                (
                    f"metadata.annotations: an object has at most {MAX_ANNOTATIONS} annotations, so"
                    " that the trash can keep it; remove some"
                ),
            ),
            (
                _at_most(MAX_ANNOTATION_BYTES, "json_bytes"),
                (
                    f"metadata.annotations: keys and values have at most {MAX_ANNOTATION_BYTES}"
                    " bytes as JSON, so that the trash can keep the object; shorten them, and use"
                    " kubectl apply --server-side, which leaves no copy of the manifest in them"
                ),
            ),
            (
                _at_most(MAX_OWNERS, "owners"),
                (
                    f"metadata.ownerReferences: an object has at most {MAX_OWNERS} owners, so that"
                    " the trash can keep it; remove some"
                ),
            ),
            (
                _at_most(MAX_OWNER_CHARS, "owner_chars"),
                (
                    "metadata.ownerReferences: apiVersion, kind, name and uid of an owner have at"
                    f" most {MAX_OWNER_CHARS} characters together; no real owner has more"
                ),
            ),
            (
                _at_most(MAX_FINALIZERS, "finalizers"),
                (
                    f"metadata.finalizers: an object has at most {MAX_FINALIZERS} finalizers"
                    f" besides {TRASH_FINALIZER}; remove some"
                ),
            ),
        ],
        variables=variables,
    )


def _at_most(bound: int, count: str, of: str = "") -> str:
    """Return the rule that bounds a count; a count above the bound may not grow."""
    now, before = f"variables.{count}{of}", f"variables.old_{count}{of}"
    return f"{now} <= {bound} || (request.operation == 'UPDATE' && {now} <= {before})"
