"""The admission policies that narrow rights around Accounts which RBAC can only give as a whole.

RBAC grants "may write RoleBindings" and "may patch Accounts". The intended rights are narrower: to
let users into a namespace, and to change a password.
"""

from collections.abc import Iterator
from typing import Any, Final

from codegen.files import GeneratedFile, yaml_file
from codegen.policy_parts import ACCOUNTS_PREFIX, IS_OPERATOR, PROXY, binding, validating
from wegent_crds import members
from wegent_crds.conditions import ConditionType
from wegent_crds.kinds.account import AccountSpec
from wegent_crds.registry import ACCOUNT, GROUP

ACCOUNTS_NAMESPACE: Final = "wegent-accounts"
PASSWORD: Final = "passwordSecretRef"  # noqa: S105 - the name of a field
KEPT_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")


def generate() -> Iterator[GeneratedFile]:
    """Yield the policies with their bindings."""
    source = "hack/codegen/account_policies.py and crds/wegent_crds/kinds/account.py"
    policies = (
        _members(),
        _bindings_that_can_be_taken_back(),
        _last_admin(),
        _marks_of_namespaces(),
        _confine_proxy_to_passwords(),
        _confine_proxy_to_memberships(),
    )
    documents = [document for policy in policies for document in (policy, binding(policy))]
    yield yaml_file("config/policies/account-rights.yaml", source, *documents)


def _members() -> dict[str, Any]:
    """Restrict users with only Wegent's role to writes of RoleBindings that are memberships.

    These users have `grant-admin`, which only wegent-admin gives, but not `update` on RoleBindings,
    which it doesn't give. A user with `update` has rights on RoleBindings by another role; the
    policy leaves those rights alone.
    """
    by_wegents_role = (
        f"authorizer.group('{GROUP}').resource('{ACCOUNT.plural}')"
        ".namespace(request.namespace).check('grant-admin').allowed()"
    )
    by_another_role = (
        f"authorizer.group('{members.RBAC_GROUP}').resource('rolebindings')"
        ".namespace(request.namespace).check('update').allowed()"
    )
    deleting = "request.operation == 'DELETE'"
    user = "object.?subjects.orValue([]).map(it, it.name).join()"
    role = "object.roleRef.name.replace('wegent-', '')"
    subject = f"it.kind == 'ServiceAccount' && it.?namespace.orValue('') == '{ACCOUNTS_NAMESPACE}'"
    labels = {f"'{members.MANAGED_BY}'": f"'{members.MANAGER}'", f"'{members.ACCOUNT_LABEL}'": user}
    roles = [f"wegent-{role}" for role in members.ROLES]
    return validating(
        "wegent-members",
        ["CREATE", "UPDATE", "DELETE"],
        ["rolebindings"],
        {"by-wegents-role": by_wegents_role, "not-by-another-role": f"!{by_another_role}"},
        [
            (
                f"request.name.startsWith('{members.PREFIX}')",
                (
                    "metadata.name: a namespace's admin writes and deletes only RoleBindings that"
                    f" are named {members.PREFIX}<user>-<role>"
                ),
            ),
            (
                (
                    f"{deleting} || (object.?subjects.orValue([]).size() == 1"
                    f" && object.subjects.all(it, {subject}))"
                ),
                f"subjects: must be one user, a ServiceAccount in {ACCOUNTS_NAMESPACE}",
            ),
            (
                (
                    f"{deleting} || (object.roleRef.kind == 'ClusterRole'"
                    f" && object.roleRef.name in {roles})"
                ),
                f"roleRef: must be a ClusterRole, one of {', '.join(roles)}",
            ),
            (
                f"{deleting} || request.name == '{members.PREFIX}' + {user} + '-' + {role}",
                f"metadata.name: must be {members.PREFIX}<user>-<role>, as the rest says",
            ),
            (
                f"{deleting} || ("
                + " && ".join(
                    f"object.metadata.?labels[{label}].orValue('') == {value}"
                    for label, value in labels.items()
                )
                + ")",
                (
                    f"metadata.labels: must have {members.MANAGED_BY}: {members.MANAGER}, and"
                    f" {members.ACCOUNT_LABEL} with the user's name"
                ),
            ),
        ],
        group=members.RBAC_GROUP,
    )


def _bindings_that_can_be_taken_back() -> dict[str, Any]:
    """Refuse finalizers and owners on Wegent's RoleBindings, for all writers.

    With a finalizer, a RoleBinding still gives its role after its deletion. The garbage collector
    deletes a RoleBinding with an owner that does not exist; an owner that exists ties a user's
    rights to some other object.
    """
    added = "{field}.all(it, it in {old})"
    finalizers = "object.metadata.?finalizers.orValue([])"
    owners = "object.metadata.?ownerReferences.orValue([])"
    old_finalizers = (
        "request.operation == 'CREATE' ? [] : oldObject.metadata.?finalizers.orValue([])"
    )
    old_owners = (
        "request.operation == 'CREATE' ? [] : oldObject.metadata.?ownerReferences.orValue([])"
    )
    system = _is_system("object.metadata.?namespace.orValue('')")
    names = " || ".join(
        f"request.name.startsWith('{prefix}')" for prefix in (members.PREFIX, "wegent-account")
    )
    return validating(
        "wegent-bindings",
        ["CREATE", "UPDATE"],
        ["rolebindings", "clusterrolebindings"],
        {"wegents": names},
        [
            (
                added.format(field=finalizers, old=f"({old_finalizers})"),
                (
                    "metadata.finalizers: a binding of Wegent's has none, because it would give"
                    " its role after it was taken back; leave them out"
                ),
            ),
            (
                added.format(field=owners, old=f"({old_owners})"),
                "metadata.ownerReferences: a binding of Wegent's has none; leave them out",
            ),
            (
                (
                    f"request.operation != 'CREATE' || !request.name.startsWith('{members.PREFIX}')"
                    f" || !({system})"
                ),
                (
                    "metadata.namespace: nobody is given a role in a system namespace; an admin of"
                    f" {ACCOUNTS_NAMESPACE} would be an admin of everything"
                ),
            ),
        ],
        group=members.RBAC_GROUP,
    )


def _is_system(namespace: str) -> str:
    """Return the CEL expression for a namespace without members; ``members`` has it in Python."""
    return (
        f"{namespace} in {list(members.SYSTEM_NAMESPACES)}"
        f" || {namespace}.startsWith('{members.SYSTEM_PREFIX}')"
    )


def _last_admin() -> dict[str, Any]:
    """Protect the last admin, whom the operator marks: CEL sees one object and can't count admins.

    The policy applies to Wegent's users alone, so that it doesn't affect cluster administrators,
    the garbage collector and the deletion of a namespace. A `deletecollection`, which names no
    object, is done before the operator has marked anything.
    """
    last = (
        "oldObject.?status.?conditions.orValue([]).exists(it,"
        f" it.type == '{ConditionType.LAST_ADMIN}' && it.status == 'True')"
    )
    collection = "request.operation == 'DELETE' && request.?name.orValue('') == ''"
    admin = "oldObject.spec.?role.orValue('user') == 'admin'"
    return validating(
        "wegent-last-admin",
        ["UPDATE", "DELETE"],
        [ACCOUNT.plural],
        {
            "a-user": f"request.userInfo.username.startsWith('{ACCOUNTS_PREFIX}')",
            "admins": f"({last}) || ({collection} && {admin})",
        },
        [
            (
                f"!({collection})",
                "Accounts of admins are deleted one by one, so that the last one stays",
            ),
            (
                (
                    "request.operation == 'UPDATE' && object.spec.?role.orValue('user') == 'admin'"
                    " && !object.spec.?suspended.orValue(false)"
                ),
                (
                    "this Account is the last admin: make another one first; a cluster"
                    " administrator may demote, suspend or delete it all the same"
                ),
            ),
        ],
    )


def _confine_proxy_to_memberships() -> dict[str, Any]:
    """Let the proxy delete memberships alone: users leave namespaces with the proxy's rights.

    A user's own role can't be limited to "one's own" RoleBinding.
    """
    return validating(
        "wegent-api-members",
        ["DELETE"],
        ["rolebindings"],
        {"the-proxy": f"request.userInfo.username == '{PROXY}'"},
        [
            (
                f"request.name.startsWith('{members.PREFIX}')",
                f"the API proxy deletes only RoleBindings that are named {members.PREFIX}...",
            )
        ],
        group=members.RBAC_GROUP,
    )


def _marks_of_namespaces() -> dict[str, Any]:
    """Guard the labels that name a namespace's Account: some clusters let tenants set labels."""
    marks = (members.ACCOUNT_LABEL, f"{GROUP}/account-uid")
    changed = " || ".join(
        f"object.metadata.?labels[?'{mark}'].orValue('') != (request.operation == 'CREATE' ? ''"
        f" : oldObject.metadata.?labels[?'{mark}'].orValue(''))"
        for mark in marks
    )
    grants = (
        f"authorizer.group('{GROUP}').resource('{ACCOUNT.plural}')"
        f".namespace('{ACCOUNTS_NAMESPACE}').check('grant-admin').allowed()"
    )
    return validating(
        "wegent-namespaces",
        ["CREATE", "UPDATE"],
        ["namespaces"],
        {"marks-change": changed},
        [
            (
                f"{IS_OPERATOR} || {grants}",
                (
                    f"metadata.labels: {' and '.join(marks)} say to which Account a namespace"
                    " belongs; only Wegent's operator and admins set them"
                ),
            )
        ],
        group="",
    )


def _confine_proxy_to_passwords() -> dict[str, Any]:
    """Let the proxy change the password's reference alone.

    The other fields come from the model, so that a field added to Accounts is closed by default.
    """
    fields = [field.alias for field in AccountSpec.model_fields.values()]
    kept = [f"spec.?{field}" for field in fields if field != PASSWORD]
    kept += [f"metadata.?{field}" for field in KEPT_METADATA]
    return validating(
        "wegent-api-accounts",
        ["UPDATE"],
        [ACCOUNT.plural],
        {"the-proxy": f"request.userInfo.username == '{PROXY}'"},
        [
            (
                " && ".join(f"object.{field} == oldObject.{field}" for field in kept),
                f"the API proxy changes nothing of an Account but spec.{PASSWORD}",
            )
        ],
    )
