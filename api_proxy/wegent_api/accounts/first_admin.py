"""``python -m wegent_api.accounts.first_admin``: creates the first admin if there is none.

It needs the right to ``grant-admin`` on Accounts, which the proxy doesn't have. It runs again at
each upgrade, and then changes nothing: a changed password stays, and the file with the first one
may be gone.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.accounts.password_secrets import PasswordSecrets
from wegent_api.accounts.password_strength import weakness
from wegent_api.accounts.registration import Registrar
from wegent_api.accounts.store import Accounts, NewAccount
from wegent_api.accounts.writers import as_proxy
from wegent_api.http.errors import UpstreamStatus
from wegent_api.server.logs import configure_logging
from wegent_api.settings import Settings
from wegent_kube import ConnectionConfigError, KubeClient, KubeError, load_connection
from wegent_kube.usage import argument_parser

logger = logging.getLogger("wegent_api.accounts.first_admin")

WITHIN_S: Final = 120.0
"""Seconds to retry. Right after an installation, the new kinds and roles take some seconds."""
RETRY_S: Final = 2.0
SETTINGS: Final = ("kubeconfig", "accounts_namespace", "password_min_chars", "log_level")
"""Settings of the proxy that this program uses."""


class NotAnAdminError(Exception):
    """The Account of that name does not have the role of an admin."""


class PasswordError(Exception):
    """There is no usable password for the Account."""


async def ensure_admin(
    own_api: KubeClient, namespace: str, new: NewAccount, password: Callable[[], str]
) -> bool:
    """Create ``new`` unless an admin of that name exists. Return whether it was created.

    Args:
        own_api: a client with the necessary rights.
        namespace: namespace of the Accounts.
        new: the admin.
        password: returns the password in clear text. Called only if the Account has to be created.

    Raises:
        NotAnAdminError: the Account of that name has another role.
        UpstreamStatus: the API server refused the Account.
        KubeError: the API server could not be asked.
    """
    accounts = Accounts(own_api, namespace)
    found = await accounts.get(new.username)
    if found is not None:
        if found.role != new.role:
            raise NotAnAdminError(
                f"the Account {new.username} exists with the role {found.role!r}: choose"
                " another name for the first admin, or have a cluster administrator set its role to"
                f" {new.role!r}"
            )
        return False
    clear = password()
    async with PasswordHashing(at_once=1, waiting=0) as passwords:
        registrar = Registrar(accounts, PasswordSecrets(own_api, namespace), passwords)
        await registrar.register(new, clear, as_proxy(own_api))
    return True


def read_password(file: Path, min_chars: int) -> str:
    """Return the password in ``file``, which has one line.

    Raises:
        PasswordError: the file is not readable, or the password is too short or easy to guess.
    """
    try:
        password = file.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PasswordError(f"the password file can't be read: {error}") from error
    if len(password) < min_chars:
        raise PasswordError(f"the password is shorter than {min_chars} characters")
    if problem := weakness(password):
        raise PasswordError(f"the password {problem}")
    return password


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 2 for invalid configuration, 1 for a failure."""
    parser = argument_parser(
        "python -m wegent_api.accounts.first_admin",
        "Create the first admin if it does not exist.",
        Settings,
        only=SETTINGS,
        shared=("KUBECONFIG",),
    )
    parser.add_argument("--username", required=True, help="name of the Account")
    parser.add_argument("--email", required=True, help="e-mail address of the Account")
    parser.add_argument(
        "--password-file",
        type=Path,
        required=True,
        help="file with the password; read only if the Account does not exist",
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
        load_connection(settings.kubeconfig)
    except (ValidationError, ConnectionConfigError) as error:
        sys.stderr.write(f"first_admin: {error}\n")
        return 2
    configure_logging(settings.log_level)
    new = NewAccount(options.username, options.email, role="admin")
    password = partial(read_password, options.password_file, settings.password_min_chars)
    return asyncio.run(_run(settings, new, password))


async def _run(settings: Settings, new: NewAccount, password: Callable[[], str]) -> int:
    deadline = time.monotonic() + WITHIN_S
    async with KubeClient(load_connection(settings.kubeconfig)) as own_api:
        while True:
            try:
                made = await ensure_admin(own_api, settings.accounts_namespace, new, password)
            except PasswordError as error:
                sys.stderr.write(f"first_admin: {error}\n")
                return 2
            except (NotAnAdminError, UpstreamStatus) as error:
                sys.stderr.write(f"first_admin: {error}\n")
                return 1
            except KubeError as error:
                if time.monotonic() > deadline:
                    sys.stderr.write(f"first_admin: {error}\n")
                    return 1
                logger.info("Retrying: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                sys.stdout.write(f"{new.username} {'created' if made else 'already exists'}\n")
                return 0


if __name__ == "__main__":
    sys.exit(main())
