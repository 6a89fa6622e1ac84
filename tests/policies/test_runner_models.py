"""The runner writes one condition of a Model, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.api import Api
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_kube import ApiError, KubeClient, load_connection

CONFINED = "the runner can change only the condition KeyUsable of a Model"
READY = {
    "type": "Ready",
    "status": "False",
    "reason": "RefNotFound",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
KEY_USABLE = {**READY, "type": "KeyUsable", "reason": "KeyNotUsable"}


@pytest.fixture
async def runner(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> AsyncIterator[Api]:
    """A client with the runner's own rights. It may patch the status, which kubectl reads first."""
    account = kubectl_as(control_plane, kubectl, "wegent-system", "wegent-runner", tmp_path)
    connection = load_connection(str(account.kubeconfig))
    async with KubeClient(connection, user_agent="test") as client:
        yield Api(client)


@pytest.fixture
async def model(api: Api, kubectl: Kubectl, name: str) -> AsyncIterator[str]:
    """A Model that isn't Ready."""
    await api.create("models", "default", name, {"provider": "openai", "model": "gpt-4"})
    status = {"conditions": [READY], "ready": "False", "observedGeneration": 1}
    await patch(api, name, status)
    yield name
    kubectl.run("delete", "model", name, "--wait=false").ok()


async def patch(who: Api, name: str, status: Any) -> None:
    await who.merge("models", "default", name, {"status": status}, "status")


async def body_of(api: Api, name: str) -> dict[str, Any]:
    body = await api.get("models", "default", name)
    assert body is not None
    return body


async def test_the_runner_adds_changes_and_removes_its_condition(
    runner: Api, api: Api, model: str
) -> None:
    for own in ([KEY_USABLE], [{**KEY_USABLE, "status": "True"}], []):
        await patch(runner, model, {"conditions": [READY, *own]})
        assert (await body_of(api, model))["status"]["conditions"] == [READY, *own]


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{**READY, "status": "True"}, KEY_USABLE]},
        {"conditions": [{**READY, "message": "said by the runner"}]},
        {"conditions": [KEY_USABLE]},
        {"conditions": [READY, {**READY, "type": "Stalled", "status": "True"}]},
        {"conditions": None},
        {"ready": "True"},
        {"ready": None},
        {"observedGeneration": 7},
        {"observedGeneration": None},
        None,
    ],
)
async def test_the_runner_changes_nothing_else(
    runner: Api, api: Api, model: str, status: Any
) -> None:
    before = await body_of(api, model)
    with pytest.raises(ApiError, match=CONFINED) as refusal:
        await patch(runner, model, status)
    assert refusal.value.is_forbidden
    assert await body_of(api, model) == before


async def test_the_runner_changes_neither_spec_nor_metadata(
    runner: Api, api: Api, model: str
) -> None:
    change = {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["a.b/c"]},
        "spec": {"baseUrl": "https://thief.example.com"},
        "status": {"conditions": [READY, KEY_USABLE]},
    }
    with pytest.raises(ApiError) as refusal:
        await runner.merge("models", "default", model, change)
    assert refusal.value.is_forbidden
    before = await body_of(api, model)
    await runner.merge("models", "default", model, change, "status")
    after = await body_of(api, model)
    assert after["spec"] == before["spec"]
    for body in (before, after):
        del body["metadata"]["resourceVersion"], body["metadata"]["managedFields"]
    assert after["metadata"] == before["metadata"]
    assert after["status"]["conditions"] == [READY, KEY_USABLE]


async def test_others_are_left_alone(api: Api, model: str) -> None:
    await patch(api, model, {"ready": "True"})
    assert (await body_of(api, model))["status"]["ready"] == "True"
