"""Each way to take a key from its owner, by a user who may edit Models and create Tasks.

The Secret, its hosts and the roles are the subject of tests/policies/test_keys.py. A name that
resolves to another address a moment later is the subject of test_egress.py.
"""

import base64
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.owners_key import KEY, Store
from tests.runner.test_provider_faults import TOOL_CALL
from tests.runner.viewer import Viewer
from tests.support.api import Api, condition
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_kube.resources import EVENTS
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.keys import ApiKey, Keys
from wegent_runner.engine.model_stream import ModelCaller, ModelInput, Turn
from wegent_runner.plan.plan import ModelPlan, SecretKey

LOOPBACK = ip_network("127.0.0.0/8")
ENCODED = base64.b64encode(KEY.encode()).decode()

pytestmark = pytest.mark.usefixtures("operator", "runner")
Failed = Callable[[], Awaitable[str]]


def stored(folder: Path) -> list[str]:
    """Return the files of the runner's database."""
    return [it.read_bytes().decode("latin-1") for it in folder.glob("store.db*")]


@pytest.fixture
async def thief() -> AsyncIterator[Provider]:
    """A server of somebody else."""
    async with Provider() as thief:
        yield thief


@pytest.fixture
async def used(store: Store, use: Store) -> None:
    """The Bot's Model has the owner's key, for the provider."""
    await store()
    await use()


@pytest.fixture
def failed(api: Api, namespace: str, make_task: MakeTask, ended: MakeTask) -> Failed:
    """Run a Task that fails, and return the reason on its Model, and its message.

    The Model has an Event with the same words.
    """

    async def run() -> str:
        await make_task()
        status = (await ended())["status"]
        assert status["phase"] == "Failed", status
        model = await api.get("models", namespace, "m")
        assert model is not None
        conditions = {it["type"]: it["reason"] for it in model["status"]["conditions"]}
        reason = conditions.get("KeyUsable", "")

        async def told() -> bool:
            events = (await api.client.request("GET", EVENTS.path(namespace)))["items"]
            assert KEY not in json.dumps([events, model])
            of_model = [
                (it["reason"], it["message"])
                for it in events
                if it["involvedObject"]["kind"] == "Model" and it["type"] == "Warning"
            ]
            assert of_model == ([(reason, status["message"])] if reason else [])
            return True

        await eventually(told, within_s=30, what="the Event on the Model")
        return f"{reason} {status['message']}"

    return run


async def test_the_key_reaches_its_host(
    provider: Provider, store: Store, use: Store, make_task: MakeTask, ended: MakeTask
) -> None:
    """Without this, the tests below might show nothing."""
    await store()
    await use()
    await make_task()
    assert (await ended())["status"]["phase"] == "Completed"
    assert provider.calls[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_another_base_url(
    provider: Provider, thief: Provider, store: Store, use: Store, failed: Failed
) -> None:
    await store()
    await use(baseUrl=thief.url)
    told = await failed()
    assert told.startswith("KeyNotUsable")
    assert f"doesn't name http://127.0.0.1:{thief.port}" in told
    assert (thief.calls, provider.calls) == ([], [])


async def test_the_hosts_name_dressed_up(
    provider: Provider, thief: Provider, store: Store, use: Store, failed: Failed
) -> None:
    await store()
    await use(baseUrl=f"http://localhost:{thief.port}/http://127.0.0.1:{provider.port}/v1")
    assert (await failed()).startswith("KeyNotUsable")
    assert (thief.calls, provider.calls) == ([], [])


async def test_a_redirect(
    provider: Provider, thief: Provider, store: Store, use: Store, failed: Failed
) -> None:
    provider.script = lambda _: Script(
        status=308, headers={"Location": f"{thief.url}/chat/completions"}, body={}
    )
    await store()
    await use()
    await failed()
    assert provider.calls
    assert thief.calls == []


async def test_http_where_the_owner_said_https(
    provider: Provider, store: Store, use: Store, failed: Failed
) -> None:
    await store(hosts=f"127.0.0.1:{provider.port}")
    await use()
    assert (await failed()).startswith("KeyNotUsable")
    assert provider.calls == []


async def test_a_secret_of_another_type(
    provider: Provider, store: Store, use: Store, failed: Failed
) -> None:
    await store(type_="Opaque")
    await use()
    assert "type must be agent.wecode.io/api-key" in await failed()
    assert provider.calls == []


async def test_another_namespaces_secret(
    api: Api, namespace: str, provider: Provider, store: Store, use: Store, failed: Failed
) -> None:
    await api.create_namespace(f"{namespace}-owner")
    await store(where=f"{namespace}-owner")
    await use()
    assert "Secret owners does not exist" in await failed()
    assert provider.calls == []


async def test_a_key_isnt_sent_to_the_next_model(
    provider: Provider, thief: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each Model has its own key; one to fall back to can't have another's for its own host."""

    async def read(_: Keys, __: SecretKey) -> ApiKey:
        return ApiKey(KEY, (f"http://127.0.0.1:{provider.port}",))

    monkeypatch.setattr(Keys, "_read", read)
    place = SecretKey("ns", "owners", "key")
    provider.script = lambda _: Script(status=500, body={"error": {"message": "broken"}})
    models = [
        ModelPlan("ns/m", "openai", "gpt-4", "chat", provider.url, place),
        ModelPlan("ns/keyless", "openai", "gpt-4", "chat", thief.url),
        ModelPlan("ns/fallback", "openai", "gpt-4", "chat", thief.url, place),
    ]
    client: Any = None
    async with ModelCaller(Keys(client), EgressPolicy([LOOPBACK])) as caller:
        for model in models:
            try:
                async for _ in caller.stream(model, ModelInput("", [Turn("user", "Hi.")]), "id"):
                    pass
            except CallFailed:
                pass
    assert [call.headers["Authorization"] for call in thief.calls] == ["Bearer none"]


@pytest.mark.usefixtures("used")
async def test_a_tool_that_has_the_key_for_a_name(provider: Provider, failed: Failed) -> None:
    provider.script = lambda _: Script(raw=TOOL_CALL.replace(b'"rm"', json.dumps(KEY).encode()))
    told = await failed()
    assert "the LLM called the tool" in told
    assert KEY not in told


@pytest.mark.usefixtures("used")
async def test_nothing_that_is_kept_or_shown_has_the_key(
    api: Api,
    namespace: str,
    client: Client,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The provider echoes its headers: in its answer, cut anyhow, and in its errors."""
    caplog.set_level(logging.DEBUG)
    answer = f"You sent {{'Authorization': 'Bearer {KEY}'}}. " * 20
    chance = random.Random(1)
    cuts = sorted(chance.sample(range(len(answer)), 200))
    provider.script = lambda _: Script(
        pieces=[answer[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    )
    await make_task("echo")
    viewer = Viewer(client, namespace, "echo")
    await viewer.read()
    assert viewer.text == answer.replace(KEY, "***")
    task = await ended("echo")
    assert task["status"]["result"] == viewer.text

    echo = {"error": {"message": f"bad headers: Authorization: Bearer {KEY}", "code": KEY}}
    provider.script = lambda _: Script(status=401, headers={"X-Echo": KEY}, body=echo)
    await make_task("refused")
    refused = await ended("refused")
    assert "Authorization: Bearer ***" in refused["status"]["message"]
    refusal = Viewer(client, namespace, "refused")
    await refusal.read()

    path = f"/api/v1/kinds/tasks/{{}}/transcript?namespace={namespace}"
    shown = [
        json.dumps([task, refused, viewer.events, refusal.events]),
        *[str((await client.get(path.format(name))).json) for name in ("echo", "refused")],
        json.dumps(await api.client.request("GET", EVENTS.path(namespace))),
        caplog.text,
        *[repr(record.__dict__) for record in caplog.records],
        *stored(tmp_path),
    ]
    assert len(caplog.records) > 10
    assert not [it for it in shown if KEY in it or ENCODED in it]
    model = await api.get("models", namespace, "m")
    assert model is not None
    assert condition(model, "KeyUsable")["reason"] == "KeyRefused"
    assert KEY not in json.dumps(model)
