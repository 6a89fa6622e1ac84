"""The objects that an Account needs in the cluster, compared with those that exist. Pure.

An Account gets a namespace of its own, RoleBindings, and last a ServiceAccount.
The order matters: a token can be requested as soon as the ServiceAccount exists.

An object's name and namespace decide to which Account it belongs. Labels do not
decide: a user may add any label to an object in a namespace of theirs, or remove
it. The labels that are written here are for people and their selectors.

The Account's uid keeps a later user of the same name out of the namespace and the
ServiceAccount of an earlier one. Memberships that admins of namespaces gave to the
earlier user are told apart by their age (``wegent_crds.members``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeGuard

from wegent_crds import members
from wegent_crds.conditions import Reason
from wegent_crds.members import (
    ACCOUNT_LABEL,
    ACCOUNT_PREFIX,
    MANAGED_BY,
    RBAC_GROUP,
    ROLES,
    SHARED_BINDING,
    account_binding_name,
    is_system_namespace,
    role_name,
)
from wegent_crds.registry import ACCOUNT, API_VERSION, GROUP
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    NAMESPACES,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Resource,
)
from wegent_operator.accounts.quota import QUOTA_NAME, counted, hard_of, uncounted
from wegent_operator.state.objects import AccountState, account_at_home_in, own_namespace
from wegent_operator.state.verdict import Problem

MANAGER: Final = "wegent-operator"
ACCOUNT_UID_LABEL: Final = f"{GROUP}/account-uid"
MAX_SUBJECTS: Final = 2
"""Subjects of a binding that are kept in memory; the operator's own has one."""

OWN_ROLE: Final = "admin"
"""Role of a user in their own namespace. It lets them give access to other users."""
PROVISIONED: Final = (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS, RESOURCE_QUOTAS)


@dataclass(frozen=True, slots=True, order=True)
class ProvisionKey:
    """Identifies one provisioned object; ``namespace`` is empty for a cluster-scoped one."""

    plural: str
    namespace: str
    name: str


Manifests = Mapping[ProvisionKey, dict[str, Any]]
"""Manifests by key, in the order in which they are created."""
_REMOVAL: Final = {
    SERVICE_ACCOUNTS.plural: 0,
    CLUSTER_ROLE_BINDINGS.plural: 1,
    ROLE_BINDINGS.plural: 2,
}
"""Order of removal, by resource. The ServiceAccount comes first: its tokens end with it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes for one Account; empty if the cluster is as desired."""

    create_namespace: dict[str, Any] | None
    apply: Manifests
    delete: tuple[ProvisionKey, ...]
    """Deleted before anything is applied. An object that is also in ``apply`` is recreated."""
    problems: tuple[Problem, ...]
    """Reasons why the Account is not Ready even after these changes."""
    home: str = ""
    """The Account's own namespace, which gets the quota; empty if the Account gets none."""


def plan(
    state: AccountState | None,
    accounts_namespace: str,
    namespaces: Callable[[str], Mapping[str, str] | None],
    actual: Mapping[ProvisionKey, dict[str, Any]],
) -> Plan:
    """Return the changes that lead from an Account's actual objects to the desired ones.

    Args:
        state: The Account; None if it no longer exists.
        accounts_namespace: The namespace in which Accounts give access.
        namespaces: Looks up a namespace's labels; returns None if the namespace does not exist.
        actual: The existing objects of the Account's name, reduced by ``managed_subset``.
    """
    problems: list[Problem] = []
    wanted: dict[ProvisionKey, dict[str, Any]] = {}
    create: dict[str, Any] | None = None
    home = ""
    if _has_access(state):
        labels = _labels(state)
        create, taken = _own_namespace(state, labels, namespaces)
        problems += taken
        home = "" if taken else own_namespace(state.key.name)
        bindings, missing = _bindings(state, labels, namespaces, own=not taken)
        problems += missing
        wanted.update(bindings)
        wanted.update([_service_account(state, labels, accounts_namespace)])
    stale = {
        key
        for key, there in actual.items()
        if (key not in wanted and not _is_somebody_elses(key, there, state))
        or (key in wanted and _must_be_made_again(key, there, wanted[key]))
    }
    return Plan(
        create_namespace=create,
        apply={
            key: body
            for key, body in wanted.items()
            if key in stale or _differs(actual.get(key), body)
        },
        delete=tuple(sorted(stale, key=lambda key: (_REMOVAL[key.plural], key))),
        problems=tuple(problems),
        home=home,
    )


def _has_access(state: AccountState | None) -> TypeGuard[AccountState]:
    """Return whether the Account exists and is neither suspended nor being deleted."""
    return state is not None and not state.deleting and not state.spec.suspended


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

    The result is empty for the RoleBinding of all accounts, and None for an object that is
    not Wegent's.
    """
    if key.plural == SERVICE_ACCOUNTS.plural:
        return key.name if key.namespace == accounts_namespace else None
    if key.plural == RESOURCE_QUOTAS.plural:
        return account_at_home_in(key.namespace) if key.name == QUOTA_NAME else None
    if key.name == SHARED_BINDING:
        return "" if key.namespace else None
    prefix, user, role = _parts(key.name)
    if prefix == ACCOUNT_PREFIX:
        return user
    if prefix == members.PREFIX and key.namespace and _gives(body, accounts_namespace, user, role):
        return user
    return None


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


def shared_binding(
    namespace: str, accounts_namespace: str, role: str
) -> tuple[ProvisionKey, dict[str, Any]]:
    """Return the RoleBinding that gives all accounts their role in a shared namespace."""
    name = SHARED_BINDING
    subject = {
        "apiGroup": RBAC_GROUP,
        "kind": "Group",
        "name": f"system:serviceaccounts:{accounts_namespace}",
    }
    return _binding(ROLE_BINDINGS, namespace, name, role, subject, {MANAGED_BY: MANAGER})


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
            for name in (MANAGED_BY, ACCOUNT_LABEL, ACCOUNT_UID_LABEL)
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


def _role_ref(body: Mapping[str, Any]) -> tuple[str, str] | None:
    reference = body.get("roleRef")
    return None if reference is None else (reference["kind"], reference["name"])


def _subject(subject: Mapping[str, Any]) -> tuple[Any, ...]:
    return subject.get("kind"), subject.get("namespace", ""), subject.get("name")


def _is_somebody_elses(
    key: ProvisionKey, there: Mapping[str, Any], state: AccountState | None
) -> bool:
    """Return whether an object that the Account doesn't need has to stay nevertheless.

    The admins of a namespace give and remove memberships. A membership stays while its user's
    Account exists, except in a system namespace. A membership that is older than the Account
    was given to an earlier user of the name.
    """
    if key.plural == RESOURCE_QUOTAS.plural:
        return True  # quotas are not part of this plan
    account = state.spec if state is not None and not state.deleting else None
    if key.plural == SERVICE_ACCOUNTS.plural:
        # Other programs create ServiceAccounts in each namespace. A ServiceAccount with an
        # Account's name is the Account's; others are removed only if the operator made them.
        return account is None and not _is_marked(there)
    if there["deleting"]:
        # A binding without subjects gives no rights. It goes when its finalizers are removed.
        return not there["subjects"]
    if state is None or account is None or not key.name.startswith(members.PREFIX):
        return False
    return not _is_system(key.namespace, state) and bool(there["since"] >= account.created)


def _is_system(namespace: str, state: AccountState) -> bool:
    """Return whether a namespace may not have members. The namespace of Accounts never has."""
    return is_system_namespace(namespace) or namespace == state.key.namespace


def _is_marked(there: Mapping[str, Any]) -> bool:
    """Return whether the operator created a ServiceAccount in the accounts namespace.

    Labels are reliable here: no Wegent user can write ServiceAccounts in that namespace.
    """
    return bool(there["owners"]) or there["labels"].get(MANAGED_BY) == MANAGER


def _must_be_made_again(
    key: ProvisionKey, there: Mapping[str, Any], wanted: Mapping[str, Any]
) -> bool:
    """Return whether an existing object can't be updated and has to be recreated.

    A ServiceAccount that was created for another Account, or by hand, may have tokens that are
    still valid. The role of a binding can't be changed.
    """
    should = managed_subset(wanted)
    if key.plural == SERVICE_ACCOUNTS.plural:
        [uid] = should["owners"]
        is_ours = uid in there["owners"] or there["labels"].get(ACCOUNT_UID_LABEL) == uid
        return bool(there["deleting"] or not is_ours)
    return bool(there["roleRef"] != should["roleRef"])


def _differs(there: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Return whether an object has to be applied.

    An object that is being deleted doesn't differ for that: it is recreated once it is gone.
    """
    return there is None or {**there, "deleting": False} != managed_subset(wanted)


def _labels(state: AccountState) -> dict[str, str]:
    return {
        MANAGED_BY: MANAGER,
        ACCOUNT_LABEL: state.key.name,
        ACCOUNT_UID_LABEL: state.uid,
    }


def _own_namespace(
    state: AccountState,
    labels: dict[str, str],
    namespaces: Callable[[str], Mapping[str, str] | None],
) -> tuple[dict[str, Any] | None, list[Problem]]:
    name = own_namespace(state.key.name)
    there = namespaces(name)
    if there is None:
        manifest = {
            "apiVersion": NAMESPACES.api_version,
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
        return manifest, []
    if there.get(ACCOUNT_UID_LABEL) == state.uid or _may_adopt(state, there):
        return None, []
    return None, [
        Problem(
            Reason.NAMESPACE_TAKEN,
            f"namespace {name} already exists and does not belong to this Account; delete the "
            "namespace, use another name for the Account, or label the namespace with "
            f"{ACCOUNT_UID_LABEL}={state.uid} to give it to the Account",
        )
    ]


def _may_adopt(state: AccountState, there: Mapping[str, str]) -> bool:
    """Return whether an Account gets the namespace of an earlier Account of its name.

    An admin's Account does: an admin has all rights in that namespace anyway, and so inherits
    nothing. The first admin has a new uid after the CRDs were deleted and reinstalled.
    """
    return (
        state.spec.role == "admin"
        and there.get(MANAGED_BY) == MANAGER
        and there.get(ACCOUNT_LABEL) == state.key.name
    )


def _bindings(
    state: AccountState,
    labels: dict[str, str],
    namespaces: Callable[[str], Mapping[str, str] | None],
    *,
    own: bool,
) -> tuple[dict[ProvisionKey, dict[str, Any]], list[Problem]]:
    problems: list[Problem] = []
    roles = {own_namespace(state.key.name): OWN_ROLE} if own else {}
    for index, membership in enumerate(state.spec.memberships):
        if _is_system(membership.namespace, state):
            problems.append(
                Problem(
                    Reason.REF_NOT_PERMITTED,
                    f"spec.namespaces[{index}]: roles in the system namespace "
                    f"{membership.namespace} are not allowed; remove the entry",
                )
            )
        elif namespaces(membership.namespace) is None:
            problems.append(
                Problem(
                    Reason.REF_NOT_FOUND,
                    f"spec.namespaces[{index}]: namespace {membership.namespace} does not exist; "
                    "create it or remove the entry",
                )
            )
        else:
            roles[membership.namespace] = membership.role
    return dict(_role_bindings(state, labels, roles)), problems


def _role_bindings(
    state: AccountState, labels: dict[str, str], roles: Mapping[str, str]
) -> Iterator[tuple[ProvisionKey, dict[str, Any]]]:
    user = state.key.name
    subject = {
        "kind": "ServiceAccount",
        "name": state.key.name,
        "namespace": state.key.namespace,
    }
    # A binding's role can't be changed, so its name contains the role. A new role needs a new
    # binding, and the old binding is deleted because it is no longer wanted.
    for namespace, role in roles.items():
        yield _binding(
            ROLE_BINDINGS, namespace, account_binding_name(user, role), role, subject, labels
        )
    if state.spec.role == "admin":
        yield _binding(
            CLUSTER_ROLE_BINDINGS, "", account_binding_name(user, "admin"), "admin", subject, labels
        )


def _binding(
    resource: Resource,
    namespace: str,
    name: str,
    role: str,
    subject: Mapping[str, str],
    labels: Mapping[str, str],
) -> tuple[ProvisionKey, dict[str, Any]]:
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if namespace:
        metadata["namespace"] = namespace
    return ProvisionKey(resource.plural, namespace, name), {
        "apiVersion": resource.api_version,
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": RBAC_GROUP,
            "kind": "ClusterRole",
            "name": role_name(role),
        },
        "subjects": [dict(subject)],
    }


def _service_account(
    state: AccountState, labels: dict[str, str], accounts_namespace: str
) -> tuple[ProvisionKey, dict[str, Any]]:
    key = ProvisionKey(SERVICE_ACCOUNTS.plural, accounts_namespace, state.key.name)
    return key, {
        "apiVersion": SERVICE_ACCOUNTS.api_version,
        "kind": "ServiceAccount",
        "metadata": {
            "name": state.key.name,
            "namespace": accounts_namespace,
            "labels": labels,
            # Garbage collection deletes it, and so ends all tokens, when the Account is gone.
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": ACCOUNT.kind,
                    "name": state.key.name,
                    "uid": state.uid,
                }
            ],
        },
        "automountServiceAccountToken": False,
    }
