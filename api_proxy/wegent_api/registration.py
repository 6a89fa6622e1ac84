"""Make an Account together with its password, so that being cut off leaves no half of one.

The order is: a rehearsal (dry run) of the Account, which finds out cheaply what the
API server would refuse; the password Secret; the Account, which refers to it and
commits both; the Secret's ownership.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from wegent_api.accounts import Account, Accounts, NewAccount
from wegent_api.callers import Caller
from wegent_api.errors import Refused
from wegent_api.password_secrets import PasswordSecrets, SecretRef
from wegent_api.passwords import PasswordHashing
from wegent_api.upstream import CallersApi
from wegent_kube import ApiError, KubeClient, KubeError

logger = logging.getLogger(__name__)

STRICT: Final = {"fieldValidation": "Strict"}
REHEARSAL: Final = {"dryRun": "All"} | STRICT
NOT_YET_STORED: Final = "not-yet-stored"
"""What a rehearsed Account refers to."""


class AccountWriter(Protocol):
    """Writes an Account under somebody's rights: those decide whether it may be."""

    async def __call__(self, body: Mapping[str, Any], params: Mapping[str, str]) -> Any:
        """Create ``body`` and return what was stored; raises ``Refused``."""


def as_proxy(kube: KubeClient, accounts: Accounts) -> AccountWriter:
    """Return the writer with the proxy's own rights: policy allows plain users only."""

    async def write(body: Mapping[str, Any], params: Mapping[str, str]) -> Any:
        try:
            return await kube.request("POST", accounts.path(), body=body, params=params)
        except ApiError as error:
            if error.code in {409, 422}:
                raise Refused(error.status, error.code, {}) from error
            raise

    return write


def as_caller(callers: CallersApi, caller: Caller, accounts: Accounts) -> AccountWriter:
    """Return the writer with the rights of ``caller``."""

    async def write(body: Mapping[str, Any], params: Mapping[str, str]) -> Any:
        return await callers.fetch(caller, "POST", accounts.path(), params=params, body=body)

    return write


class Registrar:
    """Makes Accounts with passwords."""

    def __init__(
        self, accounts: Accounts, password_secrets: PasswordSecrets, passwords: PasswordHashing
    ) -> None:
        self._accounts = accounts
        self._secrets = password_secrets
        self._passwords = passwords

    async def register(self, new: NewAccount, password: str, write: AccountWriter) -> Account:
        """Make ``new`` with ``password`` and return what was made.

        Raises:
            Refused: the name is taken, or the API server says no to the Account.
            Problem, KubeError: it is not known to have been made.
        """
        namespace = self._accounts.namespace
        await write(new.body(namespace, NOT_YET_STORED), REHEARSAL)
        secret = await self._secrets.create(new.username, await self._passwords.hash(password))
        try:
            account = Account.of(await write(new.body(namespace, secret.name), STRICT))
        except Refused as error:
            if error.code < 500:  # else it may have been made all the same; the sweep will see
                await self._forget(secret)
            raise
        try:
            await self._secrets.give_to(account, secret)
        except KubeError as error:
            logger.warning("a password Secret has no owner yet, it is left to the sweep: %s", error)
        return account

    async def _forget(self, secret: SecretRef) -> None:
        try:
            await self._secrets.delete(secret)
        except KubeError as error:
            logger.warning("an orphaned password Secret is left to the sweep: %s", error)
