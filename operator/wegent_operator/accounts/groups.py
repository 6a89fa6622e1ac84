"""The roles that an Account has in the namespaces of groups. Pure.

A Group names its members. A member stands for one Account, known by its UID: that of the spec,
or the one that the operator has recorded in the status. A later Account of the same name is another
user, and has no role.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from wegent_crds.conditions import Reason
from wegent_crds.members import GROUP_UID_LABEL, ROLES, is_system_namespace, may_be_a_groups
from wegent_operator.state.objects import AccountState, GroupMember, GroupState
from wegent_operator.state.verdict import Problem

Labels = Callable[[str], Mapping[str, str] | None]
"""Looks up a namespace's labels; returns None if the namespace does not exist."""


def account_uid_of(group: GroupState, member: GroupMember) -> str | None:
    """Return the UID of a member's Account: empty for none, None if it isn't recorded yet."""
    return member.account_uid or dict(group.bound).get(member.username)


def owns(group: GroupState, labels: Mapping[str, str] | None) -> bool:
    """Return whether a namespace with these labels is that of a Group of its name."""
    return labels is not None and labels.get(GROUP_UID_LABEL) == group.uid


def group_roles(
    account: AccountState, groups: Iterable[GroupState], labels: Labels
) -> dict[str, str]:
    """Return the roles of an Account by namespace, given the Groups that name it."""
    return {
        group.key.name: member.role
        for group in groups
        if not group.deleting and owns(group, labels(group.key.name))
        for member in group.members
        if member.username == account.key.name and account_uid_of(group, member) == account.uid
    }


def name_problem(
    state: GroupState, accounts_namespace: str, shared: Collection[str]
) -> Problem | None:
    """Return the problem of a Group whose namespace can't be that of a group, or None."""
    name = state.key.name
    if state.key.namespace != accounts_namespace:
        return Problem(
            Reason.WRONG_NAMESPACE,
            "metadata.namespace: a Group has an effect only in the namespace"
            f" {accounts_namespace}; create it there",
        )
    system = is_system_namespace(name) or name == accounts_namespace or name in shared
    if system or not may_be_a_groups(name):
        return Problem(
            Reason.NAME_RESERVED,
            f"metadata.name: {name} is a system or shared namespace; create the Group with"
            " another name",
        )
    return None


def is_closed(group: GroupState | None, labels: Mapping[str, str] | None) -> bool:
    """Return whether a namespace is that of a group whose Group is gone.

    Args:
        group: the Group with the name of the namespace; None if there is none.
        labels: the namespace's labels; None if the namespace does not exist.
    """
    if not labels or GROUP_UID_LABEL not in labels:
        return False
    return group is None or group.deleting or not owns(group, labels)


def highest(*roles: str) -> str:
    """Return the role with the most rights."""
    return max(roles, key=ROLES.index)
