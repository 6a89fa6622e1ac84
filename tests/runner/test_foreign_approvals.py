"""The tools of another namespace's Ghost: its editors approve calls that carry its credentials."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.mcp_wire import WireServer
from tests.support.provider import Call, Provider, Script, calling
from tests.support.waiting import eventually
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_kube.resources import NAMESPACES, SECRETS

pytestmark = pytest.mark.usefixtures("operator", "runner")
TOKEN = "Bearer the-owners-token"
Body = dict[str, Any]
Asked = Callable[..., Awaitable[Body]]
"""Waits for the only question of the Task, and returns it."""
Borrow = Callable[..., Awaitable[None]]
"""Lets the Bot's Ghost use their Skill, and runs a Task."""
User = Callable[..., Kubectl]


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with WireServer() as wire:
        yield wire


@pytest.fixture
async def theirs(api: Api) -> AsyncIterator[str]:
    """A namespace of other people."""
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    await api.client.request("POST", NAMESPACES.path(), body={"metadata": {"name": name}})
    yield name
    await api.client.request("DELETE", NAMESPACES.path(name=name))


@pytest.fixture
async def ghost(api: Api, namespace: str, theirs: str, wire: WireServer) -> Body:
    """A Skill of theirs that this namespace may use, with a tool that needs an approval."""
    secret = {
        "metadata": {
            "name": "issues",
            "annotations": {HOSTS_ANNOTATION: f"http://127.0.0.1:{wire.port}"},
        },
        "type": SECRET_TYPE,
        "stringData": {"header": TOKEN},
    }
    await api.client.request("POST", SECRETS.path(theirs), body=secret)
    source = {"secretKeyRef": {"name": "issues", "key": "header"}}
    labels = {"kubernetes.io/metadata.name": namespace}
    spec = {
        "description": "Handles issues",
        "content": "Call echo.",
        "mcpServers": {
            "issues": {
                "url": wire.url,
                "headersFrom": {"Authorization": source},
                "requireApproval": ["*"],
            }
        },
        "accessFrom": {"namespaceSelectors": [{"matchLabels": labels}]},
    }
    await api.create("skills", theirs, "issues", spec)
    await api.settled("skills", theirs, "issues")
    return {"skillRefs": [{"name": "issues", "namespace": theirs}]}


@pytest.fixture
def borrow(
    api: Api,
    namespace: str,
    bot: str,
    ghost: Body,
    provider: Provider,
    make_task: MakeTask,
) -> Borrow:
    del bot

    async def run(**servers: Body) -> None:
        await api.merge("ghosts", namespace, "g", {"spec": {**ghost, "mcpServers": servers}})
        for plural, name in (("ghosts", "g"), ("bots", "b")):
            await api.settled(plural, namespace, name)
        provider.script = echoes
        await make_task()

    return run


@pytest.fixture
def user(control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Any) -> User:
    """Makes an editor of namespaces."""

    def make(name: str, home: str, *others: str) -> Kubectl:
        kubectl.run("create", "serviceaccount", name, f"--namespace={home}").ok()
        for place in (home, *others):
            subject = (f"--serviceaccount={home}:{name}", "--clusterrole=wegent-editor")
            kubectl.run("create", "rolebinding", name, f"--namespace={place}", *subject).ok()
        directory = tmp_path / name
        directory.mkdir()
        return kubectl_as(control_plane, kubectl, home, name, directory)

    return make


@pytest.fixture
def asked(api: Api, namespace: str) -> Asked:
    async def wait(*, other_than: str = "") -> Body:
        async def probe() -> Body:
            task = await api.get("tasks", namespace, "t")
            assert task is not None
            assert task["status"]["phase"] == "Waiting", task["status"]
            (question,) = task["status"]["waitingFor"]
            assert question["id"] != other_than
            return dict(question)

        return await eventually(probe, within_s=30, what="a question of the Task")

    return wait


def echoes(call: Call) -> Script:
    """Call the tool once, and answer with its result."""
    if call.results:
        return Script(pieces=[call.results[-1]])
    return calling(("echo", {"text": "it"}))


def approving(question: Body) -> list[str]:
    answer = f'{{"id":"{question["id"]}","decision":"approve"}}'
    return ["patch", "task", "t", "--type=merge", "-p", f'{{"spec":{{"answers":[{answer}]}}}}']


def calls_of(wire: WireServer) -> list[str]:
    """Return the credentials of the calls of tools."""
    called = [rpc for rpc in wire.received if rpc.method == "tools/call"]
    return [rpc.request.headers.get("Authorization", "") for rpc in called]


async def test_users_do_not_approve_calls_with_credentials_of_others(
    namespace: str,
    theirs: str,
    borrow: Borrow,
    wire: WireServer,
    ended: MakeTask,
    asked: Asked,
    user: User,
) -> None:
    await borrow()
    question = await asked()
    assert question["approverNamespace"] == theirs
    assert f"Only editors of the namespace {theirs} can approve." in question["message"]
    mine, owner = user("mine", namespace), user("owner", theirs, namespace)
    in_place = f"--namespace={namespace}"
    told = mine.run(*approving(question), in_place).stderr
    assert f"the call carries credentials of the namespace {theirs}" in told
    assert calls_of(wire) == []
    owner.run(*approving(question), in_place).ok()
    assert (await ended())["status"]["phase"] == "Completed"
    assert calls_of(wire) == [TOKEN]


async def test_an_approval_of_ones_own_tool_is_none_of_a_tool_of_others(
    api: Api,
    namespace: str,
    theirs: str,
    borrow: Borrow,
    wire: WireServer,
    asked: Asked,
    user: User,
) -> None:
    """A server of the same name hides theirs while the question is asked, and then goes away."""
    await borrow(issues={"url": wire.url, "requireApproval": ["*"]})
    question = await asked()
    assert "approverNamespace" not in question
    await api.merge("ghosts", namespace, "g", {"spec": {"mcpServers": None}})
    for plural, name in (("ghosts", "g"), ("bots", "b")):
        await api.settled(plural, namespace, name)
    mine = user("mine", namespace)
    mine.run(*approving(question), f"--namespace={namespace}").ok()
    again = await asked(other_than=question["id"])
    assert again["approverNamespace"] == theirs
    assert calls_of(wire) == []
