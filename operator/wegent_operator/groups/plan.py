"""Decisions on a Group: its namespace, the Accounts of its members, and problems. Pure."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from wegent_crds.conditions import Reason
from wegent_crds.members import (
    GROUP_LABEL,
    GROUP_UID_LABEL,
    MANAGED_BY,
    reserving_pattern,
)
from wegent_kube.resources import NAMESPACES
from wegent_operator.accounts.groups import account_uid_of, owns
from wegent_operator.accounts.manifests import MANAGER
from wegent_operator.state.limits import Limit
from wegent_operator.state.objects import AccountState, GroupMember, GroupState
from wegent_operator.state.verdict import Problem

Accounts = Callable[[str], AccountState | None]
"""Looks up an Account by its name."""


def namespace_manifest(state: GroupState) -> dict[str, Any]:
    """Return the namespace of a Group."""
    labels = {
        MANAGED_BY: MANAGER,
        GROUP_LABEL: state.key.name,
        GROUP_UID_LABEL: state.uid,
    }
    return {
        "apiVersion": NAMESPACES.api_version,
        "kind": "Namespace",
        "metadata": {"name": state.key.name, "labels": labels},
    }


def limits_manifest(state: GroupState) -> dict[str, Any]:
    """Return the part of the namespace that has the limits, for a server-side apply."""
    return {
        "apiVersion": NAMESPACES.api_version,
        "kind": "Namespace",
        "metadata": {"name": state.key.name, "annotations": dict(state.limits)},
    }


def must_apply_limits(state: GroupState, actual: Mapping[str, Limit]) -> bool:
    """Return whether the limits of the namespace have to be applied.

    They differ from the spec, or the operator has applied one that the spec has no more.
    """
    wanted = dict(state.limits)
    if any(name not in actual or actual[name].value != value for name, value in wanted.items()):
        return True
    return any(limit.applied and name not in wanted for name, limit in actual.items())


def bound_members(state: GroupState, accounts: Accounts) -> tuple[tuple[str, str], ...]:
    """Return the members without ``accountUid``, with the UIDs of the Accounts that they stand for.

    A recorded UID stays as long as the member is in the spec. A new member stands for the Account
    that exists now, unless the Account is younger than the last change of the Group: it may
    have been registered by another person who saw that the name is free.
    """
    recorded = dict(state.bound)
    found: list[tuple[str, str]] = []
    for member in state.members:
        if member.account_uid:
            continue
        uid = recorded.get(member.username)
        if uid is None:
            account = accounts(member.username)
            known = account is not None and account.spec.created <= state.changed
            uid = account.uid if account is not None and known else ""
        found.append((member.username, uid))
    return tuple(found)


def namespace_problem(
    state: GroupState, labels: Mapping[str, str] | None, reserved: Collection[str]
) -> Problem | None:
    """Return the problem of a Group whose namespace is another's or the cluster's, or None.

    Args:
        state: the Group.
        labels: the namespace's labels; None if the namespace does not exist.
        reserved: patterns of names that the cluster may need. They don't matter for a namespace
            that is the Group's already.
    """
    if owns(state, labels):
        return None
    name = state.key.name
    if pattern := reserving_pattern(name, reserved):
        return Problem(
            Reason.NAME_RESERVED,
            f"metadata.name: {name} is reserved for the cluster, by {pattern} in the operator's"
            " setting reserved_namespaces; create the Group with another name, or ask a cluster"
            " administrator to change the setting",
        )
    if labels is None:
        return None
    return Problem(
        Reason.NAMESPACE_TAKEN,
        f"namespace {name} already exists and does not belong to this Group; use another name"
        f" for the Group, label the namespace with {GROUP_UID_LABEL}={state.uid} to give it to the"
        " Group, or delete the namespace if nobody needs its objects",
    )


def quota_problems(state: GroupState, uncounted: Collection[str]) -> list[Problem]:
    """Return the problems of the resources in ``spec.quota`` that the cluster does not count."""
    return [
        Problem(
            Reason.NOT_PROVISIONED,
            f"spec.quota[{name}]: the cluster does not count it, so there is no limit; correct the"
            " name",
        )
        for name, _ in state.quota or ()
        if name in uncounted
    ]


def member_problems(state: GroupState, accounts: Accounts) -> list[Problem]:
    """Return the problems of the members who get no role."""
    return [
        problem
        for index, member in enumerate(state.members)
        if (problem := _member_problem(state, member, accounts(member.username), index))
    ]


def _member_problem(
    state: GroupState, member: GroupMember, account: AccountState | None, index: int
) -> Problem | None:
    field, name = f"spec.members[{index}]", member.username
    if account is None or account.deleting:
        return Problem(
            Reason.REF_NOT_FOUND,
            f"{field}.username: Account {name} does not exist; create it and set"
            f" {field}.accountUid, or remove the member",
        )
    if account_uid_of(state, member) == account.uid:
        return None
    if member.account_uid:
        return Problem(
            Reason.REF_NOT_PERMITTED,
            f"{field}.accountUid: Account {name} has the UID {account.uid}, and may be another"
            " user's; set that UID to give it the role, or remove the member",
        )
    return Problem(
        Reason.REF_NOT_PERMITTED,
        f"{field}.username: Account {name} is younger than the member, and may be another user's;"
        f" set accountUid to {account.uid} to give it the role, or remove the member",
    )
