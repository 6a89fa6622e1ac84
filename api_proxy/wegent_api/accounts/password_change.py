"""Changes a password so that an interruption loses neither the old nor the new one.

The new Secret is written first. Then one guarded patch makes the Account refer to it. Before the
patch the old password is valid, after it the new one. A sweep deletes Secrets that no Account
refers to. Finally the old Secret is deleted, and with it every token that is bound to it, and
then the user's API tokens.
"""

from typing import Annotated, Any

from fastapi import Depends

from wegent_api.accounts.api_tokens import ApiTokens
from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import NOT_YET_STORED, PasswordSecrets, SecretRef
from wegent_api.accounts.store import Account, Accounts
from wegent_api.accounts.writers import DRY_RUN, STRICT, Writer
from wegent_api.http.errors import Conflict, Unavailable, UpstreamStatus
from wegent_api.http.state import FromState
from wegent_kube import KubeError
from wegent_kube.content_types import JSON_PATCH


class PasswordChanger:
    """Changes passwords of existing Accounts."""

    def __init__(
        self,
        accounts: Accounts,
        password_secrets: PasswordSecrets,
        passwords: PasswordHashing,
        api_tokens: ApiTokens,
    ) -> None:
        self._accounts = accounts
        self._secrets = password_secrets
        self._passwords = passwords
        self._api_tokens = api_tokens

    async def change(
        self, account: Account, password: str, write: Writer, *, dry_run_first: bool = False
    ) -> SecretRef:
        """Set the password of ``account``, and end its sessions and API tokens. Return its Secret.

        Args:
            account: the Account as it was read when the change was decided.
            password: the new password, already checked.
            write: writes the Account, with the proxy's or the caller's rights.
            dry_run_first: True to check first, without writing anything, that these rights suffice.

        Raises:
            Conflict: the password has been changed since ``account`` was read.
            UpstreamStatus: the API server refused the change.
            Unavailable: the new password is valid, but older sessions may not have ended.
            Problem, KubeError: the new password may or may not be valid.
        """
        if dry_run_first:
            await self._refer(account, NOT_YET_STORED, write, dry=True)
        superseded = await self._secrets.read(account.password_secret)
        password_hash = await self._passwords.hash(password)
        async with self._secrets.created(account.username, password_hash) as new:
            await self._refer(account, new.name, write)
        try:
            if superseded is not None:
                await self._secrets.delete(superseded.secret)
            await self._api_tokens.delete_all(account.username)
        except KubeError as error:
            raise Unavailable(
                "the password has been changed, but earlier tokens may stay valid until they"
                " expire; change the password again, or ask an admin to suspend the account"
            ) from error
        await self._secrets.give_or_leave(account, new)
        return new

    async def _refer(
        self, account: Account, secret: str, write: Writer, *, dry: bool = False
    ) -> None:
        """Make ``account`` refer to ``secret``, unless it was replaced or has another password.

        The patch tests the fields and not the resourceVersion, which each status write changes.
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
            params = DRY_RUN if dry else STRICT
            await write("PATCH", path, body=patch, params=params, content_type=JSON_PATCH)
        except UpstreamStatus as error:
            # A failed test and a third party's policy may have the same answer.
            lost = error.is_conflict or error.is_invalid
            if lost and await self._has_changed(account):
                raise Conflict(
                    f"the account {account.username} has been modified by another request;"
                    " read it again, then retry"
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
