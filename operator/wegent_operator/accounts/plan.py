"""The changes that an Account needs in the cluster. Pure.

An Account gets a namespace of its own, RoleBindings, and last a ServiceAccount.
The order matters: a token can be requested as soon as the ServiceAccount exists.

The Account's uid keeps a later user of the same name out of the namespace and the
ServiceAccount of an earlier one. Memberships that admins of namespaces gave to the
earlier user are told apart by their age (``wegent_crds.members``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from wegent_crds import members
from wegent_crds.conditions import Reason
from wegent_crds.members import ACCOUNT_LABEL, MANAGED_BY, is_system_namespace, own_namespace
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
)
from wegent_operator.accounts.groups import highest
from wegent_operator.accounts.manifests import (
    MANAGER,
    Manifest,
    namespace_manifest,
    role_bindings,
    service_account,
)
from wegent_operator.accounts.provisioned import (
    ACCOUNT_UID_LABEL,
    ProvisionKey,
    managed_subset,
)
from wegent_operator.state.objects import AccountState
from wegent_operator.state.verdict import Problem

OWN_ROLE: Final = "admin"
"""Role of a user in their own namespace. It lets them give access to other users."""
Manifests = Mapping[ProvisionKey, Manifest]
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

    create_namespace: Manifest | None
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
    groups: Mapping[str, str] | None = None,
    is_closed: Callable[[str], bool] = lambda _: False,
) -> Plan:
    """Return the changes that lead from an Account's actual objects to the desired ones.

    Args:
        state: The Account; None if it no longer exists.
        accounts_namespace: The namespace in which Accounts give access.
        namespaces: Looks up a namespace's labels; returns None if the namespace does not exist.
        actual: The existing objects of the Account's name, reduced by ``managed_subset``.
        groups: The Account's roles in the namespaces of groups.
        is_closed: Returns whether a namespace is that of a group that exists no longer.
    """
    problems: list[Problem] = []
    wanted: dict[ProvisionKey, Manifest] = {}
    create: Manifest | None = None
    home = ""
    if _has_access(state):
        create, taken = _own_namespace(state, namespaces)
        problems += taken
        home = "" if taken else own_namespace(state.key.name)
        bindings, missing = _bindings(state, namespaces, groups or {}, own=not taken)
        problems += missing
        wanted.update(bindings)
        wanted.update([service_account(state, accounts_namespace)])
    stale = {
        key
        for key, there in actual.items()
        if (key not in wanted and not _is_somebody_elses(key, there, state, is_closed))
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


def _is_somebody_elses(
    key: ProvisionKey,
    there: Mapping[str, Any],
    state: AccountState | None,
    is_closed: Callable[[str], bool],
) -> bool:
    """Return whether an object that the Account doesn't need has to stay nevertheless.

    The admins of a namespace give and remove memberships. A membership stays while its user's
    Account exists, except in a system namespace and in that of a former group. A membership that
    is older than the Account was given to an earlier user of the name.
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
    if _is_system(key.namespace, state) or is_closed(key.namespace):
        return False
    return bool(there["since"] >= account.created)


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


def _own_namespace(
    state: AccountState,
    namespaces: Callable[[str], Mapping[str, str] | None],
) -> tuple[Manifest | None, list[Problem]]:
    name = own_namespace(state.key.name)
    there = namespaces(name)
    if there is None:
        return namespace_manifest(state), []
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
    namespaces: Callable[[str], Mapping[str, str] | None],
    groups: Mapping[str, str],
    *,
    own: bool,
) -> tuple[dict[ProvisionKey, Manifest], list[Problem]]:
    problems: list[Problem] = []
    roles = {own_namespace(state.key.name): OWN_ROLE} if own else {}
    for index, membership in enumerate(state.spec.memberships):
        if _is_system(membership.namespace, state):
            problems.append(
                Problem(
                    Reason.REF_NOT_PERMITTED,
                    f"spec.namespaces[{index}]: the system namespace {membership.namespace} can't"
                    " have members; remove the entry",
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
    for namespace, role in groups.items():
        roles[namespace] = highest(role, roles.get(namespace, role))
    return dict(role_bindings(state, roles, groups)), problems
