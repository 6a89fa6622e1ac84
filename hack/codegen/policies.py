"""The admission policies for marks, the trash, and the operator's own rights.

They run inside the API server. They hold for kubectl and GitOps as for REST, even if none of
Wegent's programs runs.
"""

from collections.abc import Iterator
from typing import Any

from codegen import mark_policies, reference_policies, trash_policies
from codegen.files import GeneratedFile, yaml_file
from codegen.policy_parts import IS_OPERATOR, TRASHED, binding, validating
from wegent_crds import members
from wegent_operator.accounts.quota import QUOTA_NAME
from wegent_operator.state.objects import OWN_NAMESPACE_PREFIX


def generate() -> Iterator[GeneratedFile]:
    """Yield the policies with their bindings."""
    source = "hack/codegen/policies.py and crds/wegent_crds/registry.py"
    mutating = [
        mark_policies.stamp_creator(),
        mark_policies.keep_marks(),
        mark_policies.stamp_changes(),
        trash_policies.stamp_finalizer(),
    ]
    validating = [
        mark_policies.guard_creator(),
        trash_policies.guard_finalizer(),
        trash_policies.guard_stored(),
        trash_policies.guard_tombstones(),
        trash_policies.guard_lifetimes(),
        trash_policies.guard_task_expiry(),
        _confine_operator_to_finalizers(),
        _confine_operator_to_its_bindings(),
        _confine_operator_to_its_quotas(),
    ]
    for file, policies in (("mutating", mutating), ("validating", validating)):
        documents = [document for policy in policies for document in (policy, binding(policy))]
        if file == "validating":
            duplicates = reference_policies.warn_of_duplicates()
            documents += [duplicates, binding(duplicates, "Warn")]
        yield yaml_file(f"config/policies/{file}.yaml", source, *documents)


def _confine_operator_to_finalizers() -> dict[str, Any]:
    """Limit the operator to changes of finalizers, as RBAC's `patch` would allow any change."""
    return validating(
        "wegent-operator-objects",
        ["UPDATE"],
        TRASHED,
        {"the-operator": IS_OPERATOR},
        [("object.spec == oldObject.spec", "the operator changes no user's spec")],
    )


def _confine_operator_to_its_bindings() -> dict[str, Any]:
    return validating(
        "wegent-operator-bindings",
        ["CREATE", "UPDATE", "DELETE"],
        ["rolebindings", "clusterrolebindings"],
        {"the-operator": IS_OPERATOR},
        [
            (
                (
                    "request.name.startsWith('wegent-account')"
                    f" || (request.name.startsWith('{members.PREFIX}')"
                    " && (request.operation == 'DELETE' || (request.operation == 'UPDATE'"
                    " && object.?subjects.orValue([]).size() == 0)))"
                ),
                (
                    "the operator writes only bindings that are named wegent-account..., and"
                    f" deletes or empties those named {members.PREFIX}... of users who are gone"
                ),
            )
        ],
        group=members.RBAC_GROUP,
    )


def _confine_operator_to_its_quotas() -> dict[str, Any]:
    return validating(
        "wegent-operator-quotas",
        ["CREATE", "UPDATE"],
        ["resourcequotas"],
        {"the-operator": IS_OPERATOR},
        [
            (
                (
                    f"request.name == '{QUOTA_NAME}'"
                    f" && request.namespace.startsWith('{OWN_NAMESPACE_PREFIX}')"
                ),
                (
                    f"the operator writes only ResourceQuotas that are named {QUOTA_NAME}, in"
                    f" namespaces that are named {OWN_NAMESPACE_PREFIX}..."
                ),
            )
        ],
        group="",
    )
