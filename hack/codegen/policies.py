"""The admission policies that guard creators, the trash and the operator's own rights.

They run inside the API server, so that they hold for kubectl and GitOps as for REST,
and with every one of our programs down.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from codegen.files import GeneratedFile, yaml_file
from wegent_crds import members
from wegent_crds.kinds import GROUP, KINDS, TOMBSTONE
from wegent_crds.marks import CREATED_BY, CREATOR, TRASH_FINALIZER

API_VERSION: Final = "admissionregistration.k8s.io/v1"
LABELS: Final = {"app.kubernetes.io/part-of": "wegent"}
OPERATOR: Final = "system:serviceaccount:wegent-system:wegent-operator"
ACCOUNTS_PREFIX: Final = "system:serviceaccount:wegent-accounts:"

ALL: Final = [kind.plural for kind in KINDS]
TRASHED: Final = [kind.plural for kind in KINDS if kind.served]

IS_OPERATOR: Final = f"request.userInfo.username == '{OPERATOR}'"
MAY_BYPASS: Final = (
    f"authorizer.group('{GROUP}').resource('{TOMBSTONE.plural}')"
    ".namespace(request.namespace).check('bypass').allowed()"
)
CREATOR_OF_REQUEST: Final = (
    f"request.userInfo.username.startsWith('{ACCOUNTS_PREFIX}')"
    f" ? request.userInfo.username.substring('{ACCOUNTS_PREFIX}'.size())"
    " : request.userInfo.username"
)
DELETING: Final = "has(object.metadata.deletionTimestamp)"


def _annotation(whose: str, key: str) -> str:
    return f"{whose}.metadata.?annotations[?'{key}'].orValue('')"


def _held(whose: str) -> str:
    return f"'{TRASH_FINALIZER}' in {whose}.metadata.?finalizers.orValue([])"


HOLD: Final = (
    "(has(object.metadata.finalizers)"
    f" ? [JSONPatch{{op: 'add', path: '/metadata/finalizers/-', value: '{TRASH_FINALIZER}'}}]"
    f" : [JSONPatch{{op: 'add', path: '/metadata/finalizers', value: ['{TRASH_FINALIZER}']}}])"
)
"""The patches that put the trash's finalizer on."""


def generate() -> Iterator[GeneratedFile]:
    """Yield the policies with their bindings."""
    source = "hack/codegen/policies.py and crds/wegent_crds/kinds.py"
    mutating = [
        _stamp_creator(),
        _keep_marks(),
        _stamp_finalizer(),
    ]
    validating = [
        _guard_creator(),
        _guard_finalizer(),
        _guard_tombstones(),
        _confine_operator_to_finalizers(),
        _confine_operator_to_its_bindings(),
    ]
    for file, policies in (("mutating", mutating), ("validating", validating)):
        documents = [document for policy in policies for document in (policy, binding(policy))]
        yield yaml_file(f"config/policies/{file}.yaml", source, *documents)


def _stamp_creator() -> dict[str, Any]:
    """On creation, note who it was. What is there already is left to be judged.

    The operator creates only what it brings back, with the creator that it had.
    """
    signed, creator = _annotation("object", CREATED_BY), _annotation("object", CREATOR)
    return _mutating(
        "wegent-creator",
        ["CREATE"],
        ALL,
        {"unsigned": f"{signed} == '' || {creator} == ''", "not-the-operator": f"!({IS_OPERATOR})"},
        _annotate(
            {
                CREATED_BY: f"{signed} == '' ? request.userInfo.username : {signed}",
                CREATOR: f"{creator} == '' ? ({CREATOR_OF_REQUEST}) : {creator}",
            }
        ),
    )


def _keep_marks() -> dict[str, Any]:
    """On an update that leaves them out, as `kubectl replace` of a manifest does, keep the marks.

    What is being deleted is left alone: there, leaving the finalizer out is an attempt to
    get around the trash, and refused.
    """
    unsigned = (
        f"{_annotation('oldObject', CREATED_BY)} != '' && {_annotation('object', CREATED_BY)} == ''"
    )
    let_go = f"{_held('oldObject')} && !({_held('object')}) && !{MAY_BYPASS}"
    signature = {mark: _annotation("oldObject", mark) for mark in (CREATED_BY, CREATOR)}
    return _mutating(
        "wegent-keep-marks",
        ["UPDATE"],
        ALL,
        {
            "alive": f"!{DELETING}",
            "not-the-operator": f"!({IS_OPERATOR})",
            "left-out": f"({unsigned}) || ({let_go})",
        },
        f"({unsigned} ? {_annotate(signature)} : []) + ({let_go} ? {HOLD} : [])",
    )


def _stamp_finalizer() -> dict[str, Any]:
    return _mutating(
        "wegent-trash", ["CREATE"], TRASHED, {"not-held": f"!({_held('object')})"}, HOLD
    )


def _annotate(annotations: Mapping[str, str]) -> str:
    """Return the patches that set annotations to the values of CEL expressions."""
    sets = ", ".join(
        f"JSONPatch{{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('{key}'),"
        f" value: {value}}}"
        for key, value in annotations.items()
    )
    begin = "JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}"
    return f"((has(object.metadata.annotations) ? [] : [{begin}]) + [{sets}])"


def _guard_creator() -> dict[str, Any]:
    signed = _annotation("object", CREATED_BY)
    return validating(
        "wegent-creator",
        ["CREATE", "UPDATE"],
        ALL,
        # The operator brings objects back from the trash with the creator that they had.
        {"not-the-operator": f"!({IS_OPERATOR})"},
        [
            (
                (
                    "request.operation != 'CREATE'"
                    f" || ({signed} in ['', request.userInfo.username]"
                    f" && {_annotation('object', CREATOR)} in ['', ({CREATOR_OF_REQUEST})])"
                ),
                (
                    f"metadata.annotations: {CREATED_BY} and {CREATOR} are set by the API server;"
                    " leave them out"
                ),
            ),
            (
                "request.operation != 'UPDATE' || "
                + " && ".join(
                    f"{_annotation('object', key)} == {_annotation('oldObject', key)}"
                    for key in (CREATED_BY, CREATOR)
                ),
                (
                    f"metadata.annotations: {CREATED_BY} and {CREATOR} say who created the object"
                    " and can't be changed"
                ),
            ),
        ],
    )


def _guard_finalizer() -> dict[str, Any]:
    return validating(
        "wegent-trash",
        ["UPDATE"],
        TRASHED,
        {"let-go": f"{_held('oldObject')} && !({_held('object')})"},
        [
            (
                f"{IS_OPERATOR} || {MAY_BYPASS}",
                (
                    f"metadata.finalizers: only Wegent's operator removes {TRASH_FINALIZER}, once"
                    " the object is kept in a Tombstone; without the operator, who has the verb"
                    " bypass on tombstones may remove it, and the object is then lost"
                ),
            )
        ],
    )


def _guard_tombstones() -> dict[str, Any]:
    frozen = " && ".join(
        f"object.spec.{field} == oldObject.spec.{field}"
        for field in ("kind", "name", "object", "deletedAt", "expiresAt")
    )
    return validating(
        "wegent-tombstones",
        ["CREATE", "UPDATE"],
        [TOMBSTONE.plural],
        {"not-the-operator": f"!({IS_OPERATOR})"},
        [
            (
                "request.operation != 'CREATE'",
                "only Wegent's operator makes Tombstones, when an object is deleted",
            ),
            (
                f"request.operation != 'UPDATE' || ({frozen})",
                "spec: only restore can be changed in a Tombstone",
            ),
        ],
    )


def _confine_operator_to_finalizers() -> dict[str, Any]:
    """RBAC can't say "only the finalizers"; without this, `patch` would mean any change."""
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
                    "request.name.startsWith('wegent-account') || (request.operation == 'DELETE'"
                    f" && request.name.startsWith('{members.PREFIX}'))"
                ),
                (
                    "the operator writes only bindings that are named wegent-account..., and"
                    f" deletes those named {members.PREFIX}... of users who are gone"
                ),
            )
        ],
        group=members.RBAC_GROUP,
    )


def _mutating(
    name: str,
    operations: list[str],
    resources: list[str],
    conditions: dict[str, str],
    patches: str,
) -> dict[str, Any]:
    policy = _policy("MutatingAdmissionPolicy", name, operations, resources, conditions)
    policy["spec"]["reinvocationPolicy"] = "Never"
    # Not an ApplyConfiguration: that converts the whole object by its schema first, and answers
    # a wrongly typed body with a 403 about conversion, before the schema can name the field.
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
) -> dict[str, Any]:
    """Return a policy that refuses what breaks one of ``rules``: expressions with messages."""
    policy = _policy("ValidatingAdmissionPolicy", name, operations, resources, conditions)
    policy["spec"]["matchConstraints"]["resourceRules"][0]["apiGroups"] = [group]
    policy["spec"]["validations"] = [
        {"expression": expression, "message": message, "reason": "Forbidden"}
        for expression, message in rules
    ]
    return policy


def _policy(
    kind: str, name: str, operations: list[str], resources: list[str], conditions: dict[str, str]
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
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {**LABELS}},
        "spec": spec,
    }


def binding(policy: dict[str, Any]) -> dict[str, Any]:
    """Return what puts ``policy`` in force, everywhere."""
    name = policy["metadata"]["name"]
    binding: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": f"{policy['kind']}Binding",
        "metadata": {"name": name, "labels": {**LABELS}},
        "spec": {"policyName": name},
    }
    if policy["kind"] == "ValidatingAdmissionPolicy":
        binding["spec"]["validationActions"] = ["Deny"]
    return binding
