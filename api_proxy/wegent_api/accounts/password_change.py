"""Put another password in force, so that being cut off loses neither the old nor the new one.

The new Secret is written first. One guarded patch of the Account, which is made to refer to
it, is what counts: before it the old password is in force, after it the new one, and a Secret
that no Account refers to is swept. Then the old Secret goes, and with it every token that was
bound to it.
"""

from typing import Annotated, Any, Final

from fastapi import Depends

from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import NOT_YET_STORED, PasswordSecrets, SecretRef
from wegent_api.accounts.store import Account, Accounts
from wegent_api.accounts.writers import DRY_RUN, STRICT, Writer
from wegent_api.http.errors import Conflict, Unavailable, UpstreamStatus
from wegent_api.http.state import FromState
from wegent_kube import KubeError
from wegent_kube.content_types import JSON_PATCH

LOST: Final = frozenset({409, 422})
"""What the API server answers to a patch whose test failed. A third party's policy may answer
the same, so that the Account must be looked at again."""


class PasswordChanger:
    """Changes passwords of Accounts that are there."""

    def __init__(
        self, accounts: Accounts, password_secrets: PasswordSecrets, passwords: PasswordHashing
    ) -> None:
        self._accounts = accounts
        self._secrets = password_secrets
        self._passwords = passwords

    async def change(
        self, account: Account, password: str, write: Writer, *, dry_run_first: bool = False
    ) -> SecretRef:
        """Put ``password`` in force for ``account``, as it was read, and end all its sessions.

        Args:
            account: whose password it is to be, as the decision to change it was made on.
            password: a checked one.
            write: under whose rights the Account is changed.
            dry_run_first: find out first, without writing anything, whether these suffice.

        Raises:
            Conflict: somebody else has changed the password since ``account`` was read.
            UpstreamStatus: the API server says no to the change.
            Unavailable: it is in force, but older sessions may not have ended.
            Problem, KubeError: it is not known to be in force.
        """
        if dry_run_first:
            await self._refer(account, NOT_YET_STORED, write, dry=True)
        superseded = await self._secrets.read(account.password_secret)
        new = await self._secrets.create(account.username, await self._passwords.hash(password))
        try:
            await self._refer(account, new.name, write)
        except (Conflict, UpstreamStatus) as error:
            if error.code < 500:  # else it may be in force all the same; the sweep will see
                await self._secrets.forget(new)
            raise
        try:
            if superseded is not None:
                await self._secrets.delete(superseded.secret)
        except KubeError as error:
            raise Unavailable(
                "the password has been changed, but sessions from before may go on for as long as"
                " a login lasts; change it once more, or have an admin suspend the account"
            ) from error
        await self._secrets.give_or_leave(account, new)
        return new

    async def _refer(
        self, account: Account, secret: str, write: Writer, *, dry: bool = False
    ) -> None:
        """Make ``account`` refer to ``secret``, if it still is that one and refers to what it did.

        A test of the field, not of the resourceVersion, which each status write changes.
        """
        before = account.password_secret
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": account.uid},
            {
                "op": "test",
                "path": "/spec/passwordSecretRef",
                "value": None if before is None else {"name": before},
            },
            {"op": "add", "path": "/spec/passwordSecretRef", "value": {"name": secret}},
        ]
        path = self._accounts.path(account.username)
        try:
            await write("PATCH", path, patch, DRY_RUN if dry else STRICT, JSON_PATCH)
        except UpstreamStatus as error:
            if error.code in LOST and await self._has_changed(account):
                raise Conflict(
                    f"the account {account.username} has been changed in the meantime;"
                    " look at it, and try again"
                ) from error
            raise

    async def _has_changed(self, account: Account) -> bool:
        there = await self._accounts.get(account.username)
        return there is None or (there.uid, there.password_secret) != (
            account.uid,
            account.password_secret,
        )


PasswordChangerDep = Annotated[PasswordChanger, Depends(FromState("password_changer"))]
"""Parameter type of a route that changes a password."""
