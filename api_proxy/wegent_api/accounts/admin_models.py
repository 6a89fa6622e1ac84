"""Bodies of ``/api/v1/auth/admin/accounts``."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from wegent_api.accounts.models import MAX_MEMBERSHIPS, Answer, Body, EmailAddress, Password, Role
from wegent_api.accounts.store import Account
from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.kinds.account import NOT_IN_SYSTEM_NAMESPACES, NamespaceGrant
from wegent_crds.schema.extensions import map_by
from wegent_crds.schema.status import PENDING_MESSAGE


class AccountChange(Body):
    """What is to be different in an account. What is left out stays; null is the default."""

    email: EmailAddress | None = None
    """Address of the user."""
    role: Role | None = None
    """What the user may do everywhere."""
    namespaces: (
        Annotated[
            list[NamespaceGrant],
            Field(max_length=MAX_MEMBERSHIPS),
            map_by("name"),
            NOT_IN_SYSTEM_NAMESPACES,
        ]
        | None
    ) = None
    """Rights in namespaces other than the user's own and the shared ones; replaced as a whole."""
    suspended: bool | None = None
    """Whether the user's access is withdrawn."""


class PasswordReset(Body):
    """Another password for a user, from an admin."""

    new_password: Password
    """12 to 128 characters, unless configured otherwise."""


class AccountView(Answer):
    """An account as admins see it."""

    username: str
    email: str
    role: Role
    namespaces: list[NamespaceGrant]
    suspended: bool
    ready: bool
    """Whether the user can work: everything that the account needs is there."""
    reason: str
    """Why it is ready or not, in one word; `docs/conditions.md` has them all."""
    message: str
    """The same in a sentence; empty if there is nothing to say."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Return what an Account, as the API server sent it, looks like to admins."""
        account = Account.of(body)
        ready = _ready(body)
        return cls(
            username=account.username,
            email=account.email,
            role=account.role,  # type: ignore[arg-type] # the CRD's schema has the same two
            namespaces=[NamespaceGrant.model_validate(it) for it in account.namespaces],
            suspended=account.suspended,
            ready=ready.get("status") == "True",
            reason=ready["reason"],
            message=ready["message"],
        )


def _ready(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the condition Ready, if it speaks of the account as it is now."""
    status = body.get("status", {})
    if status.get("observedGeneration") == body["metadata"]["generation"]:
        for condition in status.get("conditions", ()):
            if condition["type"] == ConditionType.READY:
                found: Mapping[str, Any] = condition
                return found
    return {"reason": Reason.PENDING, "message": PENDING_MESSAGE}


class AccountList(Answer):
    """Accounts, or a page of them."""

    items: list[AccountView]
    continue_: Annotated[str | None, Field(alias="continue")] = None
    """Where there are more: what the next request has to say."""
