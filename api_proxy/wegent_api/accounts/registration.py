"""Make an Account together with its password, so that being cut off leaves no half of one.

The order is: a dry run of the Account, which finds out cheaply what the
API server would refuse; the password Secret; the Account, which refers to it and
commits both; the Secret's ownership.
"""

from typing import Annotated

from fastapi import Depends

from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import NOT_YET_STORED, PasswordSecrets
from wegent_api.accounts.store import Account, Accounts, NewAccount
from wegent_api.accounts.writers import DRY_RUN, STRICT, Writer
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.state import FromState


class Registrar:
    """Makes Accounts with passwords."""

    def __init__(
        self, accounts: Accounts, password_secrets: PasswordSecrets, passwords: PasswordHashing
    ) -> None:
        self._accounts = accounts
        self._secrets = password_secrets
        self._passwords = passwords

    async def register(self, new: NewAccount, password: str, write: Writer) -> Account:
        """Make ``new`` with ``password`` and return what was made.

        Raises:
            UpstreamStatus: the name is taken, or the API server says no to the Account.
            Problem, KubeError: it is not known to have been made.
        """
        namespace, path = self._accounts.namespace, self._accounts.path()
        await write("POST", path, new.body(namespace, NOT_YET_STORED), DRY_RUN)
        secret = await self._secrets.create(new.username, await self._passwords.hash(password))
        try:
            body = await write("POST", path, new.body(namespace, secret.name), STRICT)
        except UpstreamStatus as error:
            if error.code < 500:  # else it may have been made all the same; the sweep will see
                await self._secrets.forget(secret)
            raise
        account = Account.of(body)
        await self._secrets.give_or_leave(account, secret)
        return account


RegistrarDep = Annotated[Registrar, Depends(FromState("registrar"))]
"""Parameter type of a route that makes Accounts."""
