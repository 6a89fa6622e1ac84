"""Bodies of ``/api/v1/auth/admin/accounts``."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from wegent_api.accounts.models import Answer, Body, EmailAddress, NamespaceGrants, Password, Role
from wegent_api.accounts.store import Account
from wegent_crds.conditions import (
    ConditionType,
    Reason,
    StoredCondition,
    conditions_of,
    find_condition,
)
from wegent_crds.kinds.account import NamespaceGrant
from wegent_crds.schema.status import PENDING_MESSAGE


class AccountChange(Body):
    """Changes to an account. Fields that are left out stay; null restores the default."""

    email: EmailAddress | None = None
    """Address of the user."""
    role: Role | None = None
    """Role of the user in all namespaces."""
    namespaces: NamespaceGrants | None = None
    """Rights in namespaces other than the user's own and the shared ones. Replaced as a whole."""
    suspended: bool | None = None
    """True to withdraw the user's access."""


class PasswordReset(Body):
    """A new password that an admin sets for a user."""

    new_password: Password
    """12 to 128 characters, unless configured otherwise."""


class AccountView(Answer):
    """An account, as shown to admins."""

    username: str
    email: str
    role: Role
    namespaces: list[NamespaceGrant]
    suspended: bool
    ready: bool
    """True if everything that the account needs exists, so that the user can work."""
    reason: str
    """Reason for the value of `ready`, in one word. `docs/conditions.md` lists all reasons."""
    message: str
    """Explanation of `reason` in a sentence. May be empty."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Return the view of an Account of the API server for admins."""
        account = Account.of(body)
        ready = current_ready(body)
        return cls(
            username=account.username,
            email=account.email,
            role=account.role,  # type: ignore[arg-type] # the CRD's schema has the same two
            namespaces=[NamespaceGrant.model_validate(it) for it in account.namespaces],
            suspended=account.suspended,
            ready=ready is not None and ready.is_true,
            reason=Reason.PENDING if ready is None else ready.reason,
            message=PENDING_MESSAGE if ready is None else ready.message,
        )


def current_ready(body: Mapping[str, Any]) -> StoredCondition | None:
    """Return the condition Ready, or None if it is not current."""
    if (body.get("status") or {}).get("observedGeneration") != body["metadata"]["generation"]:
        return None
    return find_condition(conditions_of(body), ConditionType.READY)


class AccountList(Answer):
    """Accounts, or a page of them."""

    items: list[AccountView]
    continue_: Annotated[str | None, Field(alias="continue")] = None
    """Token of the next page, set if there are more accounts. Send it as `continue`."""
