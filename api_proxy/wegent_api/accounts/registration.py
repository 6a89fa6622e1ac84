"""Creates an Account with its password so that an interruption leaves no half of the two.

First, a dry run of the Account shows cheaply whether the API server would refuse it. Then the
password Secret is written. Then the Account is written, which refers to the Secret and commits
both. Finally the Account becomes the Secret's owner.
"""

from typing import Annotated

from fastapi import Depends

from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import NOT_YET_STORED, PasswordSecrets
from wegent_api.accounts.store import Account, Accounts, NewAccount
from wegent_api.accounts.writers import DRY_RUN, STRICT, Writer
from wegent_api.http.state import FromState


class Registrar:
    """Creates Accounts with passwords."""

    def __init__(
        self, accounts: Accounts, password_secrets: PasswordSecrets, passwords: PasswordHashing
    ) -> None:
        self._accounts = accounts
        self._secrets = password_secrets
        self._passwords = passwords

    async def register(self, new: NewAccount, password: str, write: Writer) -> Account:
        """Create ``new`` with ``password`` and return the Account.

        Raises:
            UpstreamStatus: the name is taken, or the API server refused the Account.
            Problem, KubeError: the Account may or may not have been created.
        """
        namespace, path = self._accounts.namespace, self._accounts.path()
        await write("POST", path, body=new.body(namespace, NOT_YET_STORED), params=DRY_RUN)
        password_hash = await self._passwords.hash(password)
        async with self._secrets.created(new.username, password_hash) as secret:
            body = await write("POST", path, body=new.body(namespace, secret.name), params=STRICT)
        account = Account.of(body)
        await self._secrets.give_or_leave(account, secret)
        return account


RegistrarDep = Annotated[Registrar, Depends(FromState("registrar"))]
"""Parameter type of a route that creates Accounts."""
