"""``python -m wegent_api.first_admin``: make the first admin, unless there is one.

To be run by who may ``grant-admin`` on Accounts, which the proxy itself may not. It is
run again at each upgrade, and then changes nothing: a password that was changed stays.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from wegent_api.account_writers import as_proxy
from wegent_api.accounts import Accounts, NewAccount
from wegent_api.errors import Refused
from wegent_api.logs import configure_logging
from wegent_api.password_secrets import PasswordSecrets
from wegent_api.passwords import PasswordHashing
from wegent_api.registration import Registrar
from wegent_api.settings import Settings
from wegent_kube import ConnectionConfigError, KubeClient, KubeError, load_connection

logger = logging.getLogger("wegent_api.first_admin")

WITHIN_S: Final = 120.0
"""Right after installing, the API server is seconds away from knowing the new kinds and roles."""
RETRY_S: Final = 2.0


async def ensure_admin(kube: KubeClient, namespace: str, new: NewAccount, password: str) -> bool:
    """Make ``new`` with ``password`` unless there is an Account of the name; tell if it was made.

    Args:
        kube: with the rights to do it.
        namespace: of the Accounts.
        new: the admin.
        password: in clear.

    Raises:
        Refused: the API server says no to the Account.
        KubeError: it could not be asked.
    """
    accounts = Accounts(kube, namespace)
    if await accounts.get(new.username) is not None:
        return False
    async with PasswordHashing(at_once=1, waiting=0) as passwords:
        registrar = Registrar(accounts, PasswordSecrets(kube, namespace), passwords)
        await registrar.register(new, password, as_proxy(kube))
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 2 if it is told wrong things, 1 if it failed."""
    parser = argparse.ArgumentParser(prog="python -m wegent_api.first_admin", description=__doc__)
    parser.add_argument("--username", required=True)
    parser.add_argument("--email", required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
        load_connection(settings.kubeconfig)
        password = options.password_file.read_text(encoding="utf-8").rstrip("\n")
    except (ValidationError, ConnectionConfigError, OSError) as error:
        sys.stderr.write(f"first_admin: {error}\n")
        return 2
    if len(password) < settings.password_min_chars:
        sys.stderr.write(
            f"first_admin: the password is shorter than {settings.password_min_chars} characters\n"
        )
        return 2
    configure_logging(settings.log_level)
    new = NewAccount(options.username, options.email, role="admin")
    return asyncio.run(_run(settings, new, password))


async def _run(settings: Settings, new: NewAccount, password: str) -> int:
    deadline = time.monotonic() + WITHIN_S
    async with KubeClient(load_connection(settings.kubeconfig)) as kube:
        while True:
            try:
                made = await ensure_admin(kube, settings.accounts_namespace, new, password)
            except Refused as error:
                sys.stderr.write(f"first_admin: {error}\n")
                return 1
            except KubeError as error:
                if time.monotonic() > deadline:
                    sys.stderr.write(f"first_admin: {error}\n")
                    return 1
                logger.info("Not yet: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                sys.stdout.write(f"{new.username} {'was made' if made else 'was there already'}\n")
                return 0


if __name__ == "__main__":
    sys.exit(main())
