"""Both clients have the same methods, with the same signatures and documentation."""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncGenerator

import pytest

import wegent_sdk
from wegent_crds import Ghost
from wegent_sdk import AsyncClient, Client, ConnectionFailed
from wegent_sdk.http import finished, iterated

GROUPS = ("raw", "tasks", "trash", "tokens", "keys")


def methods(of: object) -> dict[str, str]:
    found = inspect.getmembers(type(of), callable)
    return {
        name: str(inspect.signature(it)).replace("async_client.Async", "client.")
        for name, it in found
        if not name.startswith("_")
    }


def test_they_have_the_same_methods() -> None:
    sync, other = Client("http://x"), AsyncClient("http://x")
    pairs = [(getattr(sync, name), getattr(other, name)) for name in GROUPS]
    for one, two in [(sync, other), (sync.members("n"), other.members("n")), *pairs]:
        assert methods(one) == methods(two)
        for name in methods(one):
            text = inspect.getdoc(getattr(one, name))
            assert text, name
            assert text == inspect.getdoc(getattr(two, name))
    sync.close()


def test_an_operation_that_would_suspend_is_a_defect() -> None:
    async def suspends() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="suspended"):
        finished(suspends())


def test_an_iterator_that_is_left_is_closed() -> None:
    ends: list[int] = []

    async def items() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            ends.append(1)

    found = iterated(items())
    assert next(found) == 1
    found.close()  # type: ignore[attr-defined]
    assert ends == [1]
    assert list(iterated(items())) == [1, 2]


async def test_a_sync_client_works_in_a_program_with_an_event_loop() -> None:
    with Client("http://127.0.0.1:1", timeout_s=1) as client:
        with pytest.raises(ConnectionFailed):
            client.get(Ghost, "x")
        with pytest.raises(ConnectionFailed):
            list(client.list(Ghost))


@pytest.mark.parametrize("name", wegent_sdk.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(wegent_sdk, name).__name__ == name


def test_the_import_of_the_package_alone_costs_little() -> None:
    code = "import sys, wegent_sdk; print(sorted(m for m in sys.modules if m in sys.argv[1:]))"
    heavy = ["httpx", "pydantic", "kubernetes", "yaml"]
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"
