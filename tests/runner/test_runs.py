"""A Task is claimed, answered by the provider, and finished."""

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Provider, Script

pytestmark = pytest.mark.usefixtures("operator", "runner")


async def test_a_task_is_answered(provider: Provider, make_task: MakeTask, ended: MakeTask) -> None:
    await make_task()
    task = await ended()
    status = task["status"]
    assert status["phase"] == "Completed", status
    assert status["result"] == "Hello, world."
    assert status["attempts"] == 1
    assert provider.calls[0].messages == [("system", "You help."), ("user", "Say hello.")]


async def test_failures_that_pass_are_tried_again(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    scripts = [
        Script(status=429, headers={"Retry-After": "1"}, body={"error": {"message": "slow down"}}),
        Script(cut_after=2),
        Script(raw=b"data: {not json\n\n"),
        Script(),
    ]
    provider.script = lambda _: scripts[len(provider.calls) - 1]
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Completed", status
    assert status["result"] == "Hello, world."
    assert len(provider.calls) == 4


async def test_a_refused_key_fails_the_task_with_the_providers_words(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(
        status=401, body={"error": {"message": "Incorrect API key provided."}}
    )
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert "refused the API key" in status["message"]
    assert "Incorrect API key provided." in status["message"]


async def test_a_private_address_is_named_with_the_setting_that_allows_it(
    api: Api, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await api.merge("models", namespace, "m", {"spec": {"baseUrl": "http://10.0.0.1/v1"}})
    await make_task()
    task = await ended()
    assert task["status"]["phase"] == "Failed"
    assert task["status"]["attempts"] == 1
    assert task["status"]["message"] == (
        f"Model {namespace}/m: 10.0.0.1 is not a public address; the runner's setting egressAllow"
        " can allow it"
    )


async def test_a_bot_has_the_ghost_of_a_namespace_that_lets_it_in(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    """The runner reads the labels of the Bot's namespace, under its own rights."""
    theirs = f"{namespace}-theirs"
    await api.create_namespace(theirs)
    us = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {"systemPrompt": "You are theirs.", "accessFrom": {"namespaceSelectors": [us]}}
    await api.create("ghosts", theirs, "g", spec)
    ghost = {"ghostRef": {"name": "g", "namespace": theirs}}
    await api.merge("bots", namespace, "b", {"spec": ghost})
    await make_task()
    assert (await ended())["status"]["phase"] == "Completed"
    assert provider.calls[0].messages[0] == ("system", "You are theirs.")
