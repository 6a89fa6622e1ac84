"""Deletes orphaned password Secrets and expired API tokens, and repairs the ownership of the rest.

A registration writes the Secret, then the Account, then makes the Account the Secret's owner. If it
is interrupted after the first step, the Secret is an orphan. After the second step, the Secret
would outlive its Account. An interrupted change of a password leaves a second Secret of the same
user. It is either the new one, which is not valid yet, or the old one, with sessions that should
have ended.
"""

import asyncio
import logging
from collections import defaultdict
from datetime import UTC, datetime

from wegent_api.accounts.api_tokens import ApiTokens
from wegent_api.accounts.password_secrets import PasswordSecretInfo, PasswordSecrets
from wegent_api.accounts.store import Accounts
from wegent_api.server.metrics import Metrics
from wegent_kube import KubeError

logger = logging.getLogger(__name__)


class Sweeper:
    """Sweeps at the start and then periodically. Any number of replicas may do so at once.

    Args:
        accounts: the Accounts, which refer to Secrets.
        secrets: the password Secrets.
        api_tokens: the Secrets of API tokens.
        metrics: counts the deleted Secrets.
        age_s: age in seconds from which no registration or change is still using a new Secret.
    """

    def __init__(
        self,
        accounts: Accounts,
        secrets: PasswordSecrets,
        api_tokens: ApiTokens,
        metrics: Metrics,
        *,
        age_s: float,
    ) -> None:
        self._accounts = accounts
        self._secrets = secrets
        self._api_tokens = api_tokens
        self._metrics = metrics
        self._age_s = age_s

    async def run(self, interval_s: float) -> None:
        """Sweep every ``interval_s`` seconds until cancelled."""
        while True:
            try:
                await self.sweep()
            except KubeError as error:
                logger.warning("Sweep of password Secrets failed: %s", error)
            except Exception:
                logger.exception("Sweep of password Secrets failed")
            await asyncio.sleep(interval_s)

    async def sweep(self) -> None:
        """Check all Secrets once, and read the Accounts of users with surplus or unowned ones.

        Secrets of expired API tokens are deleted too.

        Raises:
            KubeError: a request to the API server failed.
        """
        of_user: defaultdict[str, list[PasswordSecretInfo]] = defaultdict(list)
        async for found in self._secrets.all():
            of_user[found.username].append(found)
        for username, secrets in of_user.items():
            if len(secrets) > 1 or not secrets[0].owned:
                await self._tidy(username, [it for it in secrets if self._is_settled(it)])
        if expired := await self._api_tokens.delete_expired():
            logger.info("Deleted %d expired API tokens", expired)

    async def _tidy(self, username: str, secrets: list[PasswordSecretInfo]) -> None:
        account = await self._accounts.get(username) if secrets else None
        for found in secrets:
            if account is None or account.password_secret != found.secret.name:
                await self._secrets.delete(found.secret, resource_version=found.resource_version)
                self._metrics.swept_secrets.inc()
                logger.info("Deleted an orphaned password Secret", extra={"user": username})
            elif not found.owned:
                await self._secrets.give_to(account, found.secret)

    def _is_settled(self, found: PasswordSecretInfo) -> bool:
        return (datetime.now(UTC) - found.created).total_seconds() >= self._age_s
