"""The namespaces of a caller: one list, with the role and its sources. Pure.

RoleBindings decide. The list is for people and their programs; it authorizes nothing.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum

from wegent_api.accounts.models import NamespaceAccess
from wegent_api.upstream.role_bindings import Grant
from wegent_crds.members import (
    ROLES,
    SHARED_BINDING,
    account_binding_name,
    binding_name,
    own_namespace,
)


class Source(StrEnum):
    """Where a role in a namespace comes from."""

    OWN = "own"
    SHARED = "shared"
    GROUP = "group"
    ACCOUNT = "account"
    MEMBER = "member"
    OTHER = "other"


def access_of(
    grants: Iterable[Grant], username: str | None, of_account: Collection[str]
) -> list[NamespaceAccess]:
    """Return the namespaces of a caller, sorted by name, each once with its highest role.

    Args:
        grants: the caller's roles by RoleBindings.
        username: the caller's name; None for a caller without an Account.
        of_account: namespaces that ``spec.namespaces`` of the caller's Account names.
    """
    roles: dict[str, set[int]] = {}
    sources: dict[str, set[Source]] = {}
    for grant in grants:
        roles.setdefault(grant.namespace, set()).add(ROLES.index(grant.role))
        sources.setdefault(grant.namespace, set()).update(_sources(grant, username, of_account))
    return [
        NamespaceAccess.model_validate(
            {
                "name": namespace,
                "role": ROLES[max(found)],
                "sources": [it.value for it in Source if it in sources[namespace]],
            }
        )
        for namespace, found in sorted(roles.items())
    ]


def _sources(grant: Grant, username: str | None, of_account: Collection[str]) -> set[Source]:
    """Return where the role of one RoleBinding comes from; an Account and a Group may share it."""
    if grant.binding == SHARED_BINDING:
        return {Source.SHARED}
    if username is None:
        return {Source.OTHER}
    if grant.binding == account_binding_name(username, grant.role):
        if grant.namespace == own_namespace(username):
            return {Source.OWN}
        if grant.namespace not in of_account:
            return {Source.GROUP}
        return {Source.ACCOUNT, Source.GROUP} if grant.of_group else {Source.ACCOUNT}
    member = grant.binding == binding_name(username, grant.role)
    return {Source.MEMBER if member else Source.OTHER}
