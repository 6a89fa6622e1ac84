"""REST, OpenAI's API, WebSockets, kubeconfig and document agree on the default namespace."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from devcluster.controlplane import ControlPlane
from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE, ghost
from tests.api.users import User, unique
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client

AUTH = "/api/v1/auth"
NONE = "absent-object"


@pytest.fixture
def theirs(user: User, start_proxy: ProxyFactory) -> Callable[..., Client]:
    """The user's client of a proxy with settings of its own."""

    def make(**settings: str) -> Client:
        return Client(user.client.session, start_proxy(**settings).url, user.client.token)

    return make


def namespaces_of(document: Any) -> set[str]:
    """Return the defaults of all parameters of the name ``namespace``."""
    return {
        parameter["schema"]["default"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "namespace" and "default" in parameter["schema"]
    }


async def test_a_setting_names_it_everywhere(theirs: Callable[..., Client], place: str) -> None:
    client = theirs(default_namespace=place)
    created = (await client.post(f"{BASE}/ghosts", ghost(unique("mine")))).expect(201)
    assert created["metadata"]["namespace"] == place
    name = created["metadata"]["name"]
    assert (await client.get(f"{BASE}/ghosts/{name}")).expect(200)["metadata"]["uid"]
    listed = (await client.get(f"{BASE}/ghosts")).expect(200)["items"]
    assert [it["metadata"]["name"] for it in listed] == [name]
    manifest = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", **ghost(unique("mine"))}
    [applied] = (await client.post("/api/v1/apply", manifest)).expect(200)["items"]
    assert applied["namespace"] == place
    for path in (f"{BASE}/tasks/{NONE}/transcript", f"/api/v1/trash/{NONE}"):
        (await client.get(path)).refused(404, "NotFound")
    (await client.delete(f"{BASE}/ghosts/{name}?dryRun=All")).expect(204)

    me = (await client.get(f"{AUTH}/me")).expect(200)
    assert me["defaultNamespace"] == place
    assert {"name": place, "role": "editor", "sources": ["other"]} in me["namespaces"]
    kubeconfig = yaml.safe_load((await client.get(f"{AUTH}/kubeconfig")).content)
    assert kubeconfig["contexts"][0]["context"]["namespace"] == place
    document = (await client.get("/openapi.json")).expect(200)
    assert namespaces_of(document) == {place}
    assert f"is `{place}`" in document["info"]["description"]


async def test_kubectl_and_rest_write_to_the_same_namespace_by_default(
    theirs: Callable[..., Client], control_plane: ControlPlane, place: str, tmp_path: Path
) -> None:
    client = theirs(default_namespace=place)
    kubeconfig = tmp_path / "kubeconfig"
    content = (await client.get(f"{AUTH}/kubeconfig")).content
    await asyncio.to_thread(kubeconfig.write_bytes, content)
    theirs_kubectl = Kubectl(control_plane.binaries.kubectl, kubeconfig)
    name = unique("both")
    body = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", **ghost(name)}
    (await theirs_kubectl.call("create", "-f", "-", stdin=body)).ok()
    found = (await client.get(f"{BASE}/ghosts/{name}")).expect(200)
    assert found["metadata"]["namespace"] == place


async def test_openais_models_without_a_namespace_are_teams_in_it(
    theirs: Callable[..., Client], place: str
) -> None:
    client = theirs(default_namespace=place)
    answer = await client.get(f"/v1/models/{NONE}")
    assert answer.expect(404)["error"]["message"] == (
        f"The model '{NONE}' does not exist. A model is a Team: namespace/name, or the name alone"
        f" in the namespace {place}."
    )
    team = {"metadata": {"name": NONE}, "spec": {"bots": [{"name": "somebody"}]}}
    (await client.post(f"{BASE}/teams?validateRefs=false", team)).expect(201)
    model = (await client.get(f"/v1/models/{NONE}")).expect(200)
    assert model["id"] == f"{place}/{NONE}"


async def test_messages_of_a_websocket_without_a_namespace_mean_it(
    theirs: Callable[..., Client], place: str
) -> None:
    client = theirs(default_namespace=place)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{client.base}/api/v1/ws") as socket,
    ):
        await socket.send_json({"type": "auth", "token": client.token})
        assert (await socket.receive_json(timeout=20))["type"] == "ready"
        task = {"metadata": {"name": NONE}, "spec": {"teamRef": {"name": "x"}, "prompt": "Hello."}}
        message = {"type": "create", "id": "1", "object": task, "validateRefs": False}
        await socket.send_json(message)
        created = await socket.receive_json(timeout=20)
        assert (created["type"], created["namespace"]) == ("created", place)
        await socket.send_json({"type": "cancel", "id": "2", "task": NONE})
        while (answer := await socket.receive_json(timeout=20))["id"] != "2":
            pass
        assert (answer["type"], answer["namespace"]) == ("cancelling", place)


async def test_it_is_default_without_the_setting(client: Client) -> None:
    assert (await client.get(f"{AUTH}/me")).expect(200)["defaultNamespace"] == "default"
    kubeconfig = yaml.safe_load((await client.get(f"{AUTH}/kubeconfig")).content)
    assert kubeconfig["contexts"][0]["context"]["namespace"] == "default"
    assert namespaces_of((await client.get("/openapi.json")).expect(200)) == {"default"}
