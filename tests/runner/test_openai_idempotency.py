"""A request to OpenAI's API that is sent twice makes one Task."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from openai import APIStatusError, AsyncOpenAI

from tests.runner.conftest import sdk_of
from tests.support.api import Api
from tests.support.policies import no_room_for
from tests.support.provider import Provider, Script
from tests.support.proxy import Client, ProxyProcess
from tests.support.rights import create_member
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.fixture
def once(model: str) -> Callable[..., dict[str, Any]]:
    """Returns a request with a key."""

    def make(key: str, prompt: str = "Say hello.") -> dict[str, Any]:
        return {"model": model, "input": prompt, "extra_headers": {"Idempotency-Key": key}}

    return make


async def tasks(api: Api, namespace: str) -> list[str]:
    return [it["metadata"]["name"] for it in await api.list("tasks", namespace)]


async def test_a_repeated_request_is_answered_by_the_first_task(
    api: Api, namespace: str, sdk: AsyncOpenAI, provider: Provider, once: Callable[..., Any]
) -> None:
    request = once(uuid.uuid4().hex)
    both = await asyncio.gather(*(sdk.responses.create(**request) for _ in range(2)))
    again = await sdk.responses.create(**request)
    assert {it.id for it in (*both, again)} == {both[0].id}
    assert {it.output_text for it in (*both, again)} == {"Hello, world."}
    assert len(provider.calls) == 1
    assert len(await tasks(api, namespace)) == 1


async def test_a_stream_and_a_response_in_the_background_are_repeated(
    api: Api, namespace: str, sdk: AsyncOpenAI, once: Callable[..., Any]
) -> None:
    request = once(uuid.uuid4().hex)
    for _ in range(2):
        text = ""
        async for event in await sdk.responses.create(stream=True, **request):
            if event.type == "response.output_text.delta":
                text += event.delta
        assert text == "Hello, world."
    request = once(uuid.uuid4().hex)
    first = await sdk.responses.create(background=True, **request)

    async def has_ended() -> bool:
        return (await sdk.responses.retrieve(first.id)).status == "completed"

    await eventually(has_ended, within_s=30, what="the end of the response")
    again = await sdk.responses.create(background=True, **request)
    assert (again.id, again.status, again.output_text) == (first.id, "completed", "Hello, world.")
    assert len(await tasks(api, namespace)) == 2


async def test_a_chat_completion_is_repeated(
    api: Api, namespace: str, sdk: AsyncOpenAI, model: str
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    said = [{"role": "user", "content": "Say hello."}]
    ids = set()
    for _ in range(2):
        done = await sdk.chat.completions.create(
            model=model,
            messages=said,  # type: ignore[arg-type]  # a plain dict is one of its types
            extra_headers=headers,
        )
        ids.add(done.id)
    assert len(ids) == 1
    assert len(await tasks(api, namespace)) == 1


async def test_a_key_is_of_one_request(sdk: AsyncOpenAI, once: Callable[..., Any]) -> None:
    key = uuid.uuid4().hex
    await sdk.responses.create(**once(key))
    with pytest.raises(APIStatusError) as refused:
        await sdk.responses.create(**once(key, "Say goodbye."))
    assert refused.value.status_code == 422
    assert refused.value.code == "idempotency_key_in_use"
    assert "was used with another request" in refused.value.message


async def test_a_key_is_of_one_user(
    api: Api,
    namespace: str,
    client: Client,
    proxy: ProxyProcess,
    once: Callable[..., Any],
) -> None:
    token = await create_member(api, namespace, "other")
    request = once(uuid.uuid4().hex)
    async with aiohttp.ClientSession() as session:
        other = Client(session, proxy.url, token)
        async with sdk_of(client) as mine, sdk_of(other) as theirs:
            ids = {(await it.responses.create(**request)).id for it in (mine, theirs)}
    assert len(ids) == 2


async def test_a_task_that_another_user_has_put_there_is_no_answer(
    api: Api, namespace: str, sdk: AsyncOpenAI, once: Callable[..., Any]
) -> None:
    """Its name can be known to a user who knows the key. Its creator can't be forged."""
    request = once(uuid.uuid4().hex)
    made = await sdk.responses.create(**request)
    name = made.id.rpartition("_")[2]
    mine = await api.get("tasks", namespace, name)
    assert mine is not None
    await api.delete("tasks", namespace, name)
    planted = {
        "apiVersion": mine["apiVersion"],
        "kind": "Task",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {
                it: text
                for it, text in mine["metadata"]["annotations"].items()
                if it.endswith("/client-request")
            },
        },
        "spec": mine["spec"],
    }
    await api.client.request(
        "POST", f"/apis/agent.wecode.io/v1/namespaces/{namespace}/tasks", body=planted
    )
    with pytest.raises(APIStatusError) as refused:
        await sdk.responses.create(**request)
    assert refused.value.status_code == 409
    assert "another user has made the Task" in refused.value.message


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
async def test_a_bad_key_is_refused(
    api: Api, namespace: str, client: Client, model: str, key: str
) -> None:
    body = {"model": model, "input": "Hi."}
    answer = await client.post("/v1/responses", body, headers={"Idempotency-Key": key})
    error = answer.expect(400)["error"]
    assert error["param"] == "Idempotency-Key"
    assert "must be 1 to 255 printable ASCII characters" in error["message"]
    assert await tasks(api, namespace) == []


async def test_a_run_that_has_failed_is_not_retried_with_a_key_either(
    client: Client, provider: Provider, model: str
) -> None:
    """Its failure is the answer each time."""
    provider.script = lambda _: Script(status=400, body={"error": {"message": "no"}})
    body = {"model": model, "messages": [{"role": "user", "content": "Hi."}]}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(2):
        answer = await client.post("/v1/chat/completions", body, headers=headers)
        assert answer.status == 500
        assert answer.headers["x-should-retry"] == "false"
    assert len(provider.calls) == 1


async def test_a_request_is_repeated_though_the_quota_is_used_up(
    api: Api, namespace: str, sdk: AsyncOpenAI, once: Callable[..., Any]
) -> None:
    request = once(uuid.uuid4().hex)
    first = await sdk.responses.create(**request)
    async with no_room_for(api.client, namespace, "tasks"):
        with pytest.raises(APIStatusError) as refused:
            await sdk.responses.create(**once(uuid.uuid4().hex))
        assert refused.value.status_code == 403
        again = await sdk.responses.create(**request)
    assert (again.id, again.output_text) == (first.id, "Hello, world.")


@pytest.mark.parametrize("lost", ["deleted", "not ready"])
async def test_a_request_is_repeated_though_its_team_is_lost(
    api: Api, namespace: str, sdk: AsyncOpenAI, model: str, once: Callable[..., Any], lost: str
) -> None:
    """A chat completion and a response that continues another one, which is deleted too."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    said: Any = [{"role": "user", "content": "Say hello."}]

    async def completion() -> str:
        done = await sdk.chat.completions.create(model=model, messages=said, extra_headers=headers)
        return done.id

    chat = await completion()
    before = await sdk.responses.create(model=model, input="Hi.")
    request = {**once(uuid.uuid4().hex), "previous_response_id": before.id}
    first = await sdk.responses.create(**request)
    await sdk.responses.delete(before.id)
    if lost == "deleted":
        await api.delete("teams", namespace, "helpers")
    else:
        await api.merge("teams", namespace, "helpers", {"spec": {"bots": [{"name": "none"}]}})
        # Before the verdict, a Task would be created, and wait.
        await api.settled("teams", namespace, "helpers", "RefNotFound")
    with pytest.raises(APIStatusError) as refused:
        await sdk.responses.create(**once(uuid.uuid4().hex))
    assert (
        refused.value.code == {"deleted": "model_not_found", "not ready": "model_not_ready"}[lost]
    )
    again = await sdk.responses.create(**request)
    assert (again.id, again.output_text) == (first.id, "Hello, world.")
    assert await completion() == chat


async def test_the_order_of_the_keys_of_a_body_does_not_matter(client: Client, model: str) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"model": model, "input": "Hi.", "metadata": {"a": "1", "b": "2"}}
    turned = {"metadata": {"b": "2", "a": "1"}, "input": "Hi.", "model": model}
    answers = [
        (await client.post("/v1/responses", it, headers=headers)).expect(200)
        for it in (body, turned)
    ]
    assert answers[0]["id"] == answers[1]["id"]
