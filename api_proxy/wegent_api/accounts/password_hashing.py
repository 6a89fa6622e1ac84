"""Passwords are Argon2id hashes, computed off the event loop, a bounded number at once.

The parameters are argon2-cffi's defaults (RFC 9106, second recommended option: 64 MiB,
three passes, four lanes). A hash is memory and CPU that an anonymous client can ask
for; hence few at once, and a bounded number waiting.
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
    """Hashes and checks passwords; an async context manager that owns its threads.

    Args:
        at_once: hashes computed at the same time.
        waiting: further ones that may wait for their turn.
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
            Unavailable: too many are waiting.
        """
        return await self._run(lambda: self._hasher.hash(normalised(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether ``password`` is the one that ``stored`` was made of.

        None, for a user that isn't there, takes as long as a wrong password does.

        Raises:
            Unavailable: too many are waiting.
        """

        def check() -> bool:
            try:
                return self._hasher.verify(stored or self._nobodys, normalised(password))
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(check) and stored is not None

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._taken >= self._capacity:
            raise Unavailable("too many logins at once", retry_after_s=RETRY_AFTER_S)
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._taken -= 1


async def acceptable(
    password: SecretStr, min_chars: int, *, personal: tuple[str, ...], what: str, field: str
) -> str:
    """Return a new password, which is in ``field`` of ``what``.

    Args:
        password: to be checked.
        min_chars: how many characters it must have.
        personal: the user's name and e-mail address, as far as they are known.
        what: the body's name, for the message.
        field: the field's name.

    Raises:
        Invalid: it is too short, or too easy to guess.
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
    """Return ``password`` as it is hashed: in NFC (RFC 8265), however the keyboard composed it."""
    return unicodedata.normalize("NFC", password)
