"""The runner may read all objects. It uses none that the operator hasn't permitted."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.operator import OperatorProcess
from tests.support.provider import Provider, Script
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("runner")


@pytest.fixture
def runner_settings() -> dict[str, Any]:
    return {"slots": 1}


@pytest.fixture
async def owner() -> AsyncIterator[Provider]:
    """The provider of another namespace's Model."""
    async with Provider() as owner:
        yield owner


async def test_a_reference_is_not_used_between_a_change_and_the_operators_verdict(
    api: Api,
    namespace: str,
    provider: Provider,
    owner: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    operator: OperatorProcess,
) -> None:
    """A Task is Ready. Then its Bot refers to a Model whose owner doesn't permit it."""
    other = f"{namespace}-owner"
    await api.create_namespace(other)
    model = {
        "provider": "openai",
        "model": "gpt-4",
        "baseUrl": owner.url,
        "allowInsecureBaseUrl": True,
    }
    await api.create("models", other, "theirs", model)
    await api.settled("models", other, "theirs")
    provider.script = lambda _: Script(pieces=["word "] * 20, pause_s=0.1)
    await make_task("first")
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    await make_task("second")
    await api.settled("tasks", namespace, "second")

    os.kill(operator.pid, signal.SIGSTOP)
    try:
        theirs = {"name": "theirs", "namespace": other}
        await api.merge("bots", namespace, "b", {"spec": {"modelRef": theirs}})
        assert (await ended("first"))["status"]["phase"] == "Completed"
        await asyncio.sleep(2)  # the slot is free
        second = await api.get("tasks", namespace, "second")
        assert second is not None
        assert second["status"]["phase"] == "Pending"
    finally:
        os.kill(operator.pid, signal.SIGCONT)
    assert owner.calls == []
    own = {"name": "m", "namespace": None}
    await api.merge("bots", namespace, "b", {"spec": {"modelRef": own}})
    assert (await ended("second"))["status"]["phase"] == "Completed"
    assert owner.calls == []
    assert len(provider.calls) == 2
