"""Bodies of ``/api/v1/namespaces/{namespace}/members``."""

from typing import Literal, Self

from wegent_api.accounts.models import Answer, Body
from wegent_api.members.store import Membership

MemberRole = Literal["viewer", "editor", "admin"]


class MemberChange(Body):
    """What a user is to be in a namespace."""

    role: MemberRole
    """What the user may do there: read, also write, also let others in."""


class Member(Answer):
    """A user who may work in a namespace."""

    username: str
    role: MemberRole
    by_account: bool
    """Whether the account gives the role: only an admin of all accounts can change it, there."""

    @classmethod
    def of(cls, membership: Membership) -> Self:
        """Return what is shown of ``membership``."""
        return cls.model_validate(
            {
                "username": membership.username,
                "role": membership.role,
                "byAccount": membership.by_account,
            }
        )


class MemberList(Answer):
    """Who may work in a namespace, as far as Wegent gives the right."""

    items: list[Member]
    """One for each role of each user."""
    all_users: MemberRole | None = None
    """What every user is there, in a shared namespace."""
