"""Argon2id hashes of passwords, computed off the event loop in a bounded number.

The parameters are argon2-cffi's defaults (RFC 9106, second recommended option: 64 MiB, three
passes, four lanes). An anonymous client can make the proxy spend this memory and CPU. So only a few
hashes are computed at once, and the number of waiting ones is bounded.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from wegent_api.accounts.password_strength import weakness
from wegent_api.http.errors import Cause, Invalid, Unavailable

RETRY_AFTER_S: Final = 2

Result = TypeVar("Result")


class PasswordHashing:
    """Hashes and checks passwords. An async context manager that owns its threads.

    Args:
        at_once: limit of hashes computed at the same time.
        waiting: limit of further hashes that wait.
    """

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._hasher = PasswordHasher()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="argon2")
        self._capacity = at_once + waiting
        self._taken = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Return the hash of ``password`` in the PHC string format.

        Raises:
            Unavailable: too many hashes are waiting.
        """
        return await self._run(lambda: self._hasher.hash(normalised(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether ``password`` matches the hash ``stored``.

        None stands for an unknown user, and takes as long as a wrong password.

        Raises:
            Unavailable: too many hashes are waiting.
        """

        def check() -> bool:
            try:
                return self._hasher.verify(stored or self._nobodys, normalised(password))
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(check) and stored is not None

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._taken >= self._capacity:
            raise Unavailable("too many concurrent logins; try again", retry_after_s=RETRY_AFTER_S)
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._taken -= 1


async def acceptable(
    password: SecretStr, min_chars: int, *, personal: tuple[str, ...], what: str, field: str
) -> str:
    """Return a new password if it is strong enough.

    Args:
        password: the password to check.
        min_chars: the smallest length in characters.
        personal: the user's name and e-mail address, if they are known.
        what: name of the body, for the message.
        field: name of the field with the password.

    Raises:
        Invalid: the password is too short, or too easy to guess.
    """
    value = password.get_secret_value()
    problem: str | None
    if len(value) < min_chars:
        problem = f"must have at least {min_chars} characters"
    else:  # in a thread: the longest passwords take some hundredths of a second
        problem = await asyncio.to_thread(weakness, value, personal)
    if problem:
        raise Invalid.of([Cause("FieldValueInvalid", field, problem)], what=what)
    return value


def normalised(password: str) -> str:
    """Return ``password`` in NFC (RFC 8265), the same for all keyboards, as it is hashed."""
    return unicodedata.normalize("NFC", password)
