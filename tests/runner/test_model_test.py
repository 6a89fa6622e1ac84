"""Tests of Models, through proxy and runner: results, providers' errors, rights, limits."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

import pytest

from tests.runner.conftest import Running
from tests.runner.owners_key import KEY, Store
from tests.support.api import Api, condition
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.rights import create_member
from tests.support.waiting import eventually
from wegent_runner.engine.model_test import MAX_TOKENS

pytestmark = pytest.mark.usefixtures("operator")

Add = Callable[[str, str], Awaitable[Client]]


@pytest.fixture
def path(namespace: str, bot: str) -> str:
    """The path of the test of the Bot's Model."""
    del bot
    return f"/api/v1/kinds/models/m/test?namespace={namespace}"


@pytest.fixture
async def live(runner: Running, client: Client, path: str, provider: Provider) -> None:
    """A runner that the proxy has found."""
    del runner

    async def found() -> bool:
        return (await client.post(path)).status != 503

    await eventually(found, within_s=30, what="the runner's Lease at the proxy")
    provider.calls.clear()


@pytest.fixture
def add(api: Api, client: Client, namespace: str) -> Add:
    """Adds a user with a role in the namespace."""

    async def user(name: str, role: str) -> Client:
        return client.as_(await create_member(api, namespace, name, role))

    return user


@pytest.mark.usefixtures("live")
async def test_a_model_answers_with_its_times_and_its_usage(
    api: Api, client: Client, namespace: str, path: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=["o", "k"], pause_s=0.1)
    answer = (await client.post(path, headers={"X-Request-Id": "try-1"})).expect(200)
    first_ms, total_ms = answer.pop("firstDeltaMilliseconds"), answer.pop("totalMilliseconds")
    assert answer == {
        "succeeded": True,
        "provider": "openai",
        "model": "gpt-4",
        "usage": {"inputTokens": 7, "outputTokens": 2, "cachedInputTokens": 0},
    }
    assert 0 <= first_ms < total_ms
    assert total_ms >= 200
    [call] = provider.calls
    assert MAX_TOKENS in (call.body.get("max_tokens"), call.body.get("max_completion_tokens"))
    assert call.headers["X-Request-Id"] == "try-1"
    assert not await api.list("tasks", namespace), "the Task of the dry run is not stored"


@pytest.mark.usefixtures("live")
async def test_a_refused_key_is_told_without_the_key_and_on_the_model(
    api: Api,
    client: Client,
    namespace: str,
    path: str,
    provider: Provider,
    store: Store,
    use: Store,
) -> None:
    await store()
    await use()
    words = {"error": {"message": f"Incorrect API key: {KEY[:6]}***{KEY[-4:]}, {KEY}"}}
    provider.script = lambda _: Script(status=401, body=words)

    async def refused() -> bool:
        answer = await client.post(path)
        result = answer.expect(200)
        assert (result["succeeded"], result["error"]["reason"]) == (False, "KeyRefused")
        assert "the provider refused the API key (HTTP 401)" in result["error"]["message"]
        assert "usage" not in result
        assert KEY[-4:] not in answer.content.decode()
        return True

    # The operator lets the runner read the Secret shortly after the Model refers to it.
    await eventually(refused, within_s=30, what="the provider's refusal")
    assert provider.calls[-1].headers["Authorization"] == f"Bearer {KEY}"
    model = await api.get("models", namespace, "m")
    assert model is not None
    assert condition(model, "KeyUsable")["reason"] == "KeyRefused"
    provider.script = lambda _: Script()
    assert (await client.post(path)).expect(200)["succeeded"]
    model = await api.get("models", namespace, "m")
    assert model is not None
    assert condition(model, "KeyUsable")["status"] == "True"


def unused_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("url", "reason", "words"),
    [
        (f"http://127.0.0.1:{unused_port()}/v1", "Unreachable", "the connection to the provider"),
        ("http://10.0.0.1/v1", "EgressRefused", "is not a public address"),
        ("http://169.254.169.254/latest", "EgressRefused", "is not a public address"),
    ],
    ids=["unreachable", "private", "metadata service"],
)
async def test_a_model_that_cannot_be_called_says_why(
    api: Api, client: Client, namespace: str, path: str, url: str, reason: str, words: str
) -> None:
    await api.merge("models", namespace, "m", {"spec": {"baseUrl": url}})
    error = (await client.post(path)).expect(200)["error"]
    assert error["reason"] == reason
    assert error["message"].startswith(f"Model {namespace}/m: ")
    assert words in error["message"]


@pytest.mark.usefixtures("live")
async def test_the_secret_of_a_model_must_be_a_key(
    client: Client, path: str, store: Store, use: Store, provider: Provider
) -> None:
    await store(type_="Opaque")
    await use()

    async def refused() -> bool:
        error = (await client.post(path)).expect(200)["error"]
        assert error["reason"] == "KeyNotUsable"
        assert "type must be agent.wecode.io/api-key" in error["message"]
        return True

    await eventually(refused, within_s=30, what="the verdict on the Secret")
    assert not provider.calls


@pytest.mark.usefixtures("live")
async def test_a_test_costs_its_user_the_right_to_create_tasks(
    client: Client, path: str, provider: Provider, add: Add, namespace: str
) -> None:
    viewer = await add("viewer", "wegent-viewer")
    told = (await viewer.post(path)).refused(403, "Forbidden")
    assert 'cannot create resource "tasks"' in told
    (await client.as_(None).post(path)).refused(401, "Unauthorized")
    elsewhere = "/api/v1/kinds/models/m/test?namespace=wegent-system"
    (await client.post(elsewhere)).refused(403, "Forbidden")
    missing = f"/api/v1/kinds/models/none/test?namespace={namespace}"
    (await client.post(missing)).refused(404, "NotFound")
    assert not provider.calls
    assert (await client.post(path)).expect(200)["succeeded"]


@pytest.mark.usefixtures("live")
async def test_one_at_a_time_for_a_user_and_one_who_leaves_frees_the_place(
    client: Client, path: str, provider: Provider, add: Add
) -> None:
    other = await add("other", "wegent-editor")
    provider.script = lambda _: Script(hang_after=1)
    first = asyncio.create_task(client.post(path))
    await eventually(lambda: len(provider.calls) == 1, within_s=30, what="the first call")
    told = (await client.post(path)).refused(429, "TooManyRequests")
    assert "the limit is 1 per user" in told
    provider.script = lambda _: Script()
    assert (await other.post(path)).expect(200)["succeeded"]
    first.cancel()

    async def free() -> bool:
        return bool((await client.post(path)).expect(200)["succeeded"])

    await eventually(free, within_s=30, what="the place of the client that has left")
    left = provider.calls[0]
    await eventually(lambda: left.ended_at is not None, within_s=30, what="the closed connection")
    assert not left.whole


async def test_without_a_runner_the_answer_says_so(client: Client, path: str) -> None:
    async def nobody() -> str:
        return (await client.post(path)).refused(503, "ServiceUnavailable")

    told = await eventually(nobody, within_s=60, what="the end of the other tests' runners")
    assert told == "no runner is running, and only a runner calls Models"


async def test_the_document_has_the_route(client: Client) -> None:
    document = json.loads((await client.get("/openapi.json")).content)
    route = document["paths"]["/api/v1/kinds/models/{name}/test"]["post"]
    assert route["operationId"] == "testModel"
    assert route["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ModelTest"
    }
