"""The admission policies that narrow what RBAC can only give as a whole around Accounts.

RBAC says "may write RoleBindings" and "may patch Accounts". What is meant is less: letting
people into a namespace, and changing a password.
"""

from collections.abc import Iterator
from typing import Any, Final

from codegen.files import GeneratedFile, yaml_file
from codegen.policies import binding, validating
from wegent_crds import members
from wegent_crds.account import AccountSpec
from wegent_crds.kinds import ACCOUNT, GROUP

ACCOUNTS_NAMESPACE: Final = "wegent-accounts"
PROXY: Final = "system:serviceaccount:wegent-system:wegent-api"
PASSWORD: Final = "passwordSecretRef"  # noqa: S105 - the name of a field
KEPT_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")


def generate() -> Iterator[GeneratedFile]:
    """Yield the policies with their bindings."""
    source = "hack/codegen/account_policies.py and crds/wegent_crds/account.py"
    policies = (_members(), _confine_proxy_to_passwords())
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
