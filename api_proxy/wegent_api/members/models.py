"""Bodies of ``/api/v1/namespaces/{namespace}/members``."""

from typing import Literal, Self

from wegent_api.accounts.models import Answer, Body
from wegent_crds.members import Membership

MemberRole = Literal["viewer", "editor", "admin"]


class MemberChange(Body):
    """The role to give to a user in a namespace."""

    role: MemberRole
    """Role in the namespace: read, also write, or also manage members."""


class Member(Answer):
    """A user with a role in a namespace."""

    username: str
    role: MemberRole
    by_account: bool
    """True if the account gives the role. Only an admin of all accounts can then change it."""

    @classmethod
    def of(cls, membership: Membership) -> Self:
        """Return the view of ``membership`` in an answer."""
        return cls.model_validate(
            {
                "username": membership.username,
                "role": membership.role,
                "byAccount": membership.by_account,
            }
        )


class MemberList(Answer):
    """The members of a namespace by Wegent's own RoleBindings."""

    items: list[Member]
    """One item for each role of each user."""
    all_users: MemberRole | None = None
    """Role of all users in a shared namespace."""
