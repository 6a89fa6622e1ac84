"""Password hashing, off the event loop and bounded."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from wegent_api.accounts.password_hashing import PasswordHashing
from wegent_api.http.errors import Unavailable


@pytest.fixture
async def passwords() -> AsyncIterator[PasswordHashing]:
    async with PasswordHashing(at_once=1, waiting=2) as hashing:
        yield hashing


async def test_the_right_one_and_no_other(passwords: PasswordHashing) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horse ")
    assert await passwords.hash("correct horse") != stored  # salted


NO_HASHES = [None, "", "plain", "$argon2id$v=19$m=65536,t=3,p=4$x", "$2b$10"]


@pytest.mark.parametrize("stored", NO_HASHES)
async def test_what_is_no_hash_matches_nothing(
    passwords: PasswordHashing, stored: str | None
) -> None:
    assert not await passwords.verify(stored, "anything")


async def test_nobodys_hash_costs_what_a_users_does(passwords: PasswordHashing) -> None:
    stored = await passwords.hash("x")
    assert stored.split("$")[:4] == passwords._nobodys.split("$")[:4]


async def test_work_waits_in_a_bounded_line(passwords: PasswordHashing) -> None:
    outcomes = await asyncio.gather(
        *(passwords.hash("x") for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 3
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(refused) == 5
    assert refused[0].retry_after_s == 2
    assert (await passwords.hash("x")).startswith("$argon2id$")  # the line is free again


async def test_the_event_loop_turns_meanwhile(passwords: PasswordHashing) -> None:
    hashing = asyncio.create_task(passwords.hash("x"))
    started, turns = time.perf_counter(), 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 5
    assert time.perf_counter() - started > 0.01
    assert any(thread.name.startswith("argon2") for thread in threading.enumerate())
