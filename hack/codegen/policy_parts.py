"""The parts of admission policies: callers, annotations, patches, and the manifests' frame."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from wegent_crds.registry import GROUP, KINDS, TOMBSTONE
from wegent_crds.well_known import TRASH_FINALIZER

API_VERSION: Final = "admissionregistration.k8s.io/v1"
LABELS: Final = {"app.kubernetes.io/part-of": "wegent"}
OPERATOR: Final = "system:serviceaccount:wegent-system:wegent-operator"
PROXY: Final = "system:serviceaccount:wegent-system:wegent-api"
ACCOUNTS_PREFIX: Final = "system:serviceaccount:wegent-accounts:"

ALL: Final = [kind.plural for kind in KINDS]
TRASHED: Final = [kind.plural for kind in KINDS if kind.user_facing]

IS_OPERATOR: Final = f"request.userInfo.username == '{OPERATOR}'"
USER: Final = "request.userInfo.username"
NOTHING: Final = "''"


def may(verb: str) -> str:
    """Return the expression that is true if the caller has a verb on the namespace's tombstones."""
    return (
        f"authorizer.group('{GROUP}').resource('{TOMBSTONE.plural}')"
        f".namespace(request.namespace).check('{verb}').allowed()"
    )


MAY_BYPASS: Final = may("bypass")
MAY_KEEP_CREATOR: Final = may("keep-creator")
MAY_PURGE: Final = may("purge")


def plain_name(user: str) -> str:
    """Return the expression for a user's plain name: an Account's name, else the user name."""
    return (
        f"{user}.startsWith('{ACCOUNTS_PREFIX}')"
        f" ? {user}.substring('{ACCOUNTS_PREFIX}'.size()) : {user}"
    )


def annotation(whose: str, key: str) -> str:
    """Return the expression for the value of an annotation, empty where there is none."""
    return f"{whose}.metadata.?annotations[?'{key}'].orValue('')"


def has_any(whose: str, keys: Iterable[str]) -> str:
    """Return the expression that is true if one of the annotations is set."""
    has = (f"{annotation(whose, key)} != ''" for key in keys)
    return f"({' || '.join(has)})"


def has_finalizer(whose: str) -> str:
    """Return the expression that is true if an object has the trash's finalizer."""
    return f"'{TRASH_FINALIZER}' in {whose}.metadata.?finalizers.orValue([])"


ADD_FINALIZER: Final = (
    "(has(object.metadata.finalizers)"
    f" ? [JSONPatch{{op: 'add', path: '/metadata/finalizers/-', value: '{TRASH_FINALIZER}'}}]"
    f" : [JSONPatch{{op: 'add', path: '/metadata/finalizers', value: ['{TRASH_FINALIZER}']}}])"
)
"""The patches that add the trash's finalizer."""

BEGIN_ANNOTATIONS: Final = (
    "(has(object.metadata.annotations) ? []"
    " : [JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}])"
)
"""The patches that create empty annotations if there are none."""


def _path(key: str) -> str:
    return f"'/metadata/annotations/' + jsonpatch.escapeKey('{key}')"


def set_annotation(key: str, value: str) -> str:
    """Return the patch that sets an annotation to the value of a CEL expression."""
    return f"JSONPatch{{op: 'add', path: {_path(key)}, value: {value}}}"


def remove_annotation(key: str, condition: str = "true") -> str:
    """Return the patches that remove an existing annotation if ``condition`` holds."""
    return (
        f"('{key}' in object.metadata.?annotations.orValue({{}}) && {condition}"
        f" ? [JSONPatch{{op: 'remove', path: {_path(key)}}}] : [])"
    )


def annotate(annotations: Mapping[str, str]) -> str:
    """Return the patches that set annotations to the values of CEL expressions."""
    sets = ", ".join(set_annotation(key, value) for key, value in annotations.items())
    return f"({BEGIN_ANNOTATIONS} + [{sets}])"


def mutating(
    name: str,
    operations: list[str],
    resources: list[str],
    conditions: dict[str, str],
    patches: str,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a policy that changes objects by ``patches``, an expression for a list of patches."""
    policy = _policy("MutatingAdmissionPolicy", name, operations, resources, conditions, variables)
    policy["spec"]["reinvocationPolicy"] = "Never"
    # An ApplyConfiguration would first convert the whole object by its schema. A wrongly typed body
    # would get a 403 about conversion, before the schema can name the field.
    policy["spec"]["mutations"] = [{"patchType": "JSONPatch", "jsonPatch": {"expression": patches}}]
    return policy


def validating(
    name: str,
    operations: list[str],
    resources: list[str],
    conditions: dict[str, str],
    rules: list[tuple[str, str]],
    *,
    group: str = GROUP,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a policy that refuses what breaks a rule: each of ``rules`` has its message."""
    policy = _policy(
        "ValidatingAdmissionPolicy", name, operations, resources, conditions, variables
    )
    policy["spec"]["matchConstraints"]["resourceRules"][0]["apiGroups"] = [group]
    policy["spec"]["validations"] = [
        {"expression": expression, "message": message, "reason": "Forbidden"}
        for expression, message in rules
    ]
    return policy


def _policy(
    kind: str,
    name: str,
    operations: list[str],
    resources: list[str],
    conditions: dict[str, str],
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": [*operations],
                    "resources": [*resources],
                }
            ]
        },
    }
    if conditions:
        spec["matchConditions"] = [
            {"name": condition, "expression": expression}
            for condition, expression in conditions.items()
        ]
    if variables:
        spec["variables"] = [
            {"name": variable, "expression": expression}
            for variable, expression in variables.items()
        ]
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {**LABELS}},
        "spec": spec,
    }


def binding(policy: dict[str, Any], action: str = "Deny") -> dict[str, Any]:
    """Return the binding that puts ``policy`` in force; a validating one denies or warns."""
    name = policy["metadata"]["name"]
    binding: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": f"{policy['kind']}Binding",
        "metadata": {"name": name, "labels": {**LABELS}},
        "spec": {"policyName": name},
    }
    if policy["kind"] == "ValidatingAdmissionPolicy":
        binding["spec"]["validationActions"] = [action]
    return binding
