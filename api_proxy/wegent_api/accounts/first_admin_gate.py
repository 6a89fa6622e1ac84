"""Delays registration until the first admin exists, and refuses reserved names.

The chart or `make up` chooses the first admin's name before the Account exists. The proxy may read
an Account by name but may not list Accounts, so the name is a setting.
"""

from typing import Annotated, Final

from fastapi import Depends

from wegent_api.accounts.store import Accounts
from wegent_api.http.errors import Cause, Invalid, Unavailable
from wegent_api.http.state import FromState

RETRY_AFTER_S: Final = 10
RESERVED: Final = frozenset(
    """
    abuse admin administrator anonymous api apiserver audit auth billing bot cluster-admin
    daemon default everyone first-admin guest help hostmaster info kube kubelet kubernetes login
    me moderator nobody none noreply no-reply null operator owner postmaster privacy proxy
    public register root security self service serviceaccount staff sudo superadmin superuser
    support sys sysadmin test undefined user users webmaster www
    """.split()  # noqa: SIM905 - one line a name would hide what is missing
)
"""Names that look like an authority, or that programs treat as special."""
RESERVED_PREFIXES: Final = ("kube-", "system", "wegent")
"""Prefixes of Kubernetes' own names and of Wegent's own namespaces."""
_LOOKALIKES: Final = tuple(str.maketrans("013457", f"o{one}east") for one in "il")
"""Digits that look like letters, as in ``r00t`` or ``adm1n``."""


def refuse_reserved(username: str, *, what: str) -> None:
    """Refuse ``username``, a checked name, for a registration if it is reserved.

    Raises:
        Invalid: the name is reserved. An admin may still create an account of that name.
    """
    spellings = {username, *(username.translate(table) for table in _LOOKALIKES)}
    spellings |= {spelling.replace("-", "") for spelling in spellings}
    if any(it in RESERVED or it.startswith(RESERVED_PREFIXES) for it in spellings):
        message = (
            f"{username} is reserved; choose another name, or ask an admin to create the account"
        )
        raise Invalid.of([Cause("FieldValueInvalid", "username", message)], what=what)


class FirstAdminGate:
    """Checks that the first admin exists.

    Args:
        accounts: reads Accounts.
        username: name of the first admin. If it is empty, registration does not wait.
    """

    def __init__(self, accounts: Accounts, username: str) -> None:
        self._accounts = accounts
        self._username = username
        self._seen = not username

    async def required(self) -> None:
        """Return if the first admin exists. Once it has been seen, no request is made.

        Raises:
            Unavailable: there is no such admin yet.
            KubeError: the API server did not answer.
        """
        if self._seen:
            return
        account = await self._accounts.get(self._username)
        if account is None or account.role != "admin":
            raise Unavailable(
                f"registration is closed until the first admin, {self._username}, has an account",
                retry_after_s=RETRY_AFTER_S,
            )
        self._seen = True


FirstAdminGateDep = Annotated[FirstAdminGate, Depends(FromState("first_admin"))]
"""Parameter type of a route that waits for the first admin."""
