"""Delete the password Secrets that no Account refers to, and mend the ownership of the rest.

A registration writes the Secret, then the Account, then makes the Account the
Secret's owner. One that was cut off after the first step left an orphan; after the
second, a Secret that would outlive its Account.
"""

import asyncio
import logging
from datetime import UTC, datetime

from wegent_api.accounts import Accounts
from wegent_api.metrics import Metrics
from wegent_api.password_secrets import PasswordSecrets
from wegent_kube import KubeError

logger = logging.getLogger(__name__)


class Sweeper:
    """Looks at start-up and then from time to time; any number of replicas may do so at once.

    Args:
        accounts: where the references are.
        secrets: where the Secrets are.
        metrics: counts what is deleted.
        age_s: from which a Secret without an owner is nobody's registration under way.
    """

    def __init__(
        self, accounts: Accounts, secrets: PasswordSecrets, metrics: Metrics, *, age_s: float
    ) -> None:
        self._accounts = accounts
        self._secrets = secrets
        self._metrics = metrics
        self._age_s = age_s

    async def run(self, interval_s: float) -> None:
        """Sweep for ever, every ``interval_s`` seconds."""
        while True:
            try:
                await self.sweep()
            except KubeError as error:
                logger.warning("password Secrets not swept: %s", error)
            except Exception:
                logger.exception("password Secrets not swept")
            await asyncio.sleep(interval_s)

    async def sweep(self) -> None:
        """Look once at all Secrets that have no owner.

        Raises:
            KubeError: the API server did not do what was asked.
        """
        async for orphan in self._secrets.unowned():
            if (datetime.now(UTC) - orphan.created).total_seconds() < self._age_s:
                continue
            account = await self._accounts.get(orphan.username)
            if account is not None and account.password_secret == orphan.secret.name:
                await self._secrets.give_to(account, orphan.secret)
                continue
            await self._secrets.delete(orphan.secret, resource_version=orphan.resource_version)
            self._metrics.swept_secrets.inc()
            logger.info("deleted an orphaned password Secret", extra={"user": orphan.username})
