"""The admission policies that narrow what RBAC can only give as a whole around Accounts.

RBAC says "may write RoleBindings" and "may patch Accounts". What is meant is less: letting
people into a namespace, and changing a password.
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
    """Who may write RoleBindings by Wegent's role alone writes memberships, and no others.

    That is who has `grant-admin`, which only wegent-admin gives, but not `update` on
    RoleBindings, which it doesn't give: whoever has that has rights on RoleBindings by another
    role, and those are none of our business.
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
    """Whoever writes them: with a finalizer, a RoleBinding gives its role after its deletion.

    An owner that does not exist has the garbage collector delete them; one that does ties
    a user's rights to some other object.
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
    """Return the CEL expression that a namespace has no members; ``members`` has the twin."""
    return (
        f"{namespace} in {list(members.SYSTEM_NAMESPACES)}"
        f" || {namespace}.startsWith('{members.SYSTEM_PREFIX}')"
    )


def _last_admin() -> dict[str, Any]:
    """CEL sees one object at a time and can't count admins: the operator does, and notes it.

    For Wegent's users alone, so that cluster administrators, the garbage collector and the
    deletion of a namespace are left as they are. A `deletecollection`, which names no object, is
    through before the operator has noted anything.
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
    """With it users leave namespaces, over REST: their own roles can't say "one's own"."""
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
    """Some clusters let tenants label their namespaces; these labels say whose a namespace is."""
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
    """Each field but one, by the model: a field that is added to Accounts is closed by itself."""
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
