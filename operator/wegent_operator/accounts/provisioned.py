"""The objects that Accounts need, as the API server has them: key, Account, managed fields. Pure.

An object's name and namespace decide to which Account it belongs. Labels do not
decide: a user may add any label to an object in a namespace of theirs, or remove
it. The labels that the operator writes are for people and their selectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wegent_crds import members
from wegent_crds.members import (
    ACCOUNT_LABEL,
    ACCOUNT_PREFIX,
    GROUP_LABEL,
    MANAGED_BY,
    ROLES,
    SHARED_BINDING,
    account_at_home_in,
    role_name,
)
from wegent_crds.registry import ACCOUNT, API_VERSION, GROUP
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Resource,
)
from wegent_operator.accounts.quota import QUOTA_NAME, counted, hard_of, uncounted

ACCOUNT_UID_LABEL: Final = f"{GROUP}/account-uid"
GROUP_MARK: Final = "group/"
"""Prefix of the owner of a group's quota. No name of an Account has a slash."""
MAX_SUBJECTS: Final = 2
"""Subjects of a binding that are kept in memory; the operator's own has one."""
PROVISIONED: Final = (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS, RESOURCE_QUOTAS)


@dataclass(frozen=True, slots=True, order=True)
class ProvisionKey:
    """Identifies one provisioned object; ``namespace`` is empty for a cluster-scoped one."""

    plural: str
    namespace: str
    name: str


def list_params(resource: Resource, accounts_namespace: str) -> dict[str, str]:
    """Return the parameters of the lists and watches of Accounts' objects.

    Bindings are listed in the whole cluster, with any labels: only its name shows that a
    binding is an Account's and has to be removed.
    """
    if resource is SERVICE_ACCOUNTS:
        return {"fieldSelector": f"metadata.namespace={accounts_namespace}"}
    if resource is RESOURCE_QUOTAS:
        return {"fieldSelector": f"metadata.name={QUOTA_NAME}"}
    return {}


def account_of(key: ProvisionKey, body: Mapping[str, Any], accounts_namespace: str) -> str | None:
    """Return the name of the Account to which an object belongs, by its name and namespace.

    The quota of a namespace that is no user's own is that of a group: see ``group_of``.
    The result is empty for the RoleBinding of all accounts, and None for an object that is
    not Wegent's.
    """
    if key.plural == SERVICE_ACCOUNTS.plural:
        return key.name if key.namespace == accounts_namespace else None
    if key.plural == RESOURCE_QUOTAS.plural:
        owner = account_at_home_in(key.namespace) or f"{GROUP_MARK}{key.namespace}"
        return owner if key.name == QUOTA_NAME else None
    if key.name == SHARED_BINDING:
        return "" if key.namespace else None
    prefix, user, role = _parts(key.name)
    if prefix == ACCOUNT_PREFIX:
        return user
    if prefix == members.PREFIX and key.namespace and _gives(body, accounts_namespace, user, role):
        return user
    return None


def group_of(owner: str) -> str | None:
    """Return the Group of an owner that ``account_of`` has returned; None for an Account."""
    return owner.removeprefix(GROUP_MARK) if owner.startswith(GROUP_MARK) else None


def serves_everybody(there: Mapping[str, Any], accounts_namespace: str) -> bool:
    """Return whether a binding gives rights to all accounts; ``there`` is its managed_subset."""
    return ("Group", "", f"system:serviceaccounts:{accounts_namespace}") in there["subjects"]


def managed_subset(body: Mapping[str, Any]) -> dict[str, Any]:
    """Reduce a provisioned object to the fields that the operator manages."""
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    subjects = body.get("subjects") or []
    membership = metadata["name"].startswith(members.PREFIX)
    return {
        # The age matters for memberships only; the manifests of a plan have no date.
        "since": datetime.fromisoformat(metadata["creationTimestamp"]) if membership else None,
        "labels": {
            name: labels[name]
            for name in (MANAGED_BY, ACCOUNT_LABEL, ACCOUNT_UID_LABEL, GROUP_LABEL)
            if name in labels
        },
        "owners": [
            owner["uid"]
            for owner in metadata.get("ownerReferences") or ()
            if (owner["apiVersion"], owner["kind"]) == (API_VERSION, ACCOUNT.kind)
        ],
        "roleRef": _role_ref(body),
        # More than one subject is wrong in any case; the exact number isn't worth the memory.
        "subjects": [_subject(subject) for subject in subjects[:MAX_SUBJECTS]],
        "deleting": "deletionTimestamp" in metadata,
        "hard": hard_of(body),
        "counted": counted(body),
        "uncounted": uncounted(body),
    }


def _parts(name: str) -> tuple[str, str, str]:
    """Return prefix, user and role from a binding's name; all empty if it is not Wegent's."""
    for prefix in (ACCOUNT_PREFIX, members.PREFIX):
        user, dash, role = name.removeprefix(prefix).rpartition("-")
        if name.startswith(prefix) and user and dash and role in ROLES:
            return prefix, user, role
    return "", "", ""


def _gives(body: Mapping[str, Any], accounts_namespace: str, user: str, role: str) -> bool:
    """Return whether a RoleBinding gives a role to a user and to nobody else."""
    reference, subjects = body["roleRef"], body.get("subjects") or []
    return (
        (reference["kind"], reference["name"]) == ("ClusterRole", role_name(role))
        and len(subjects) == 1
        and _subject(subjects[0]) == ("ServiceAccount", accounts_namespace, user)
    )


def _role_ref(body: Mapping[str, Any]) -> tuple[str, str] | None:
    reference = body.get("roleRef")
    return None if reference is None else (reference["kind"], reference["name"])


def _subject(subject: Mapping[str, Any]) -> tuple[Any, ...]:
    return subject.get("kind"), subject.get("namespace", ""), subject.get("name")
