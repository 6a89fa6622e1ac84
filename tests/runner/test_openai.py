"""OpenAI's own Python SDK against the proxy: a Team is a model, and each request makes a Task."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.runner.conftest import Running
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Client, ProxyProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.fixture
def other(kubectl: Kubectl, namespace: str) -> str:
    """Another namespace."""
    name = f"{namespace}-other"
    kubectl.run("create", "namespace", name).ok()
    return name


async def test_a_response_is_answered_by_the_team(
    sdk: AsyncOpenAI, model: str, provider: Provider, api: Api, namespace: str
) -> None:
    response = await sdk.responses.create(
        model=model,
        input="Say hello to all of them.",
        instructions="Be brief.",
        temperature=0.1,
        metadata={"ticket": "4711"},
    )
    assert response.status == "completed"
    assert response.output_text == "Hello, world."
    assert response.model == model
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (7, 4)
    assert provider.calls[0].messages == [
        ("system", "You help.\n\nBe brief."),
        ("user", "Say hello to all of them."),
    ]
    prefix, home, name = response.id.split("_")
    assert (prefix, home) == ("resp", namespace)
    task = await api.get("tasks", namespace, name)
    assert task is not None
    assert task["spec"]["title"] == "Say hello to all of them."
    assert task["spec"]["ttlSecondsAfterFinished"] == 604800

    again = await sdk.responses.retrieve(response.id)
    assert again.output == response.output
    assert again.usage == response.usage
    assert again.metadata == {"ticket": "4711"}
    items: list[Any] = [it async for it in sdk.responses.input_items.list(response.id)]
    assert [it.content[0].text for it in items] == ["Say hello to all of them."]


async def test_a_response_streams(sdk: AsyncOpenAI, model: str) -> None:
    async with sdk.responses.stream(model=model, input="Hi") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    types = [event.type for event in events]
    assert types[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert types[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [it.delta for it in events if it.type == "response.output_text.delta"]
    assert "".join(deltas) == "Hello, world."
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    assert final.output_text == "Hello, world."


async def test_an_answer_at_the_maximum_of_tokens_says_so(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(finish_reason="length")
    response = await sdk.responses.create(model=model, input="Hi")
    assert (response.status, response.output_text) == ("incomplete", "Hello, world.")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    answer = await sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}]
    )
    assert answer.choices[0].finish_reason == "length"


async def test_a_stream_goes_on_after_any_event(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=[f"{number} é😀 " for number in range(30)])
    whole = [event async for event in await sdk.responses.create(
        model=model, input="Count", stream=True
    )]  # fmt: skip
    final: Any = whole[-1]
    for event in whole[:-1]:
        rest = await sdk.responses.retrieve(
            final.response.id, stream=True, starting_after=event.sequence_number
        )
        seen = [it async for it in rest]
        assert all(it.sequence_number > event.sequence_number for it in seen)
        text = "".join(
            it.delta
            for it in [*(e for e in whole if e.sequence_number <= event.sequence_number), *seen]
            if it.type == "response.output_text.delta"
        )
        assert text == final.response.output_text
        last: Any = seen[-1]
        assert last.type == "response.completed"
        assert last.response.output == final.response.output
    for beyond in (final.sequence_number + 1, 5_000, 10**15):
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.responses.retrieve(final.response.id, stream=True, starting_after=beyond)
        assert refused.value.param == "starting_after"


async def test_a_response_in_the_background_can_be_polled_and_cancelled(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 1000, pause_s=0.05)
    response = await sdk.responses.create(model=model, input="Write", background=True)
    assert response.status == "queued"
    assert response.background

    async def running() -> bool:
        assert provider.calls
        return (await sdk.responses.retrieve(response.id)).status == "in_progress"

    await eventually(running, within_s=30, what="the run")
    assert (await sdk.responses.cancel(response.id)).status == "cancelled"

    async def cancelled() -> Any:
        found = await sdk.responses.retrieve(response.id)
        assert found.status == "cancelled"
        return found

    found = await eventually(cancelled, within_s=30, what="the end")
    assert found.output_text.startswith("word ")
    await sdk.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(response.id)


async def test_a_response_continues_another(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    first = await sdk.responses.create(
        model=model,
        input=[
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [{"type": "input_text", "text": "Two?"}]},
        ],
    )
    second = await sdk.responses.create(model=model, input="Three?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert provider.calls[1].messages == [
        ("system", "You help."),
        ("user", "One?"),
        ("assistant", "One."),
        ("user", "Two?"),
        ("assistant", "Hello, world."),
        ("user", "Three?"),
    ]


async def test_a_failed_run_is_a_failed_response_and_an_error_of_a_chat(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(status=401, body={"error": {"message": "Bad key."}})
    response = await sdk.responses.create(model=model, input="Hi")
    assert response.status == "failed"
    assert response.error is not None
    assert "Bad key." in response.error.message
    again = sdk.with_options(max_retries=3)
    with pytest.raises(openai.InternalServerError, match="Bad key"):
        await again.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}]
        )
    assert len(provider.calls) == 2
    stream = await sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match="Bad key"):
        [chunk async for chunk in stream]


async def test_a_chat_completion_has_the_earlier_messages(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    completion = await sdk.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [{"type": "text", "text": "Two?"}]},
        ],
        max_tokens=100,
    )
    assert completion.choices[0].message.content == "Hello, world."
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 11
    assert provider.calls[0].messages == [
        ("system", "You help.\n\nBe kind."),
        ("user", "One?"),
        ("assistant", "One."),
        ("user", "Two?"),
    ]


async def test_a_chat_completion_streams_as_open_webui_asks_for_it(
    sdk: AsyncOpenAI, model: str
) -> None:
    assert model in [it.id async for it in sdk.models.list()]
    stream = await sdk.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": True},
        temperature=0.7,
        top_p=0.9,
        seed=1,
        frequency_penalty=0,
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
    assert text == "Hello, world."
    assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 7
    assert len({it.id for it in chunks}) == 1


async def test_a_retry_before_any_text_is_not_seen(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    scripts = [Script(raw=b"data: {not json\n\n"), Script(cut_after=0), Script()]
    provider.script = lambda _: scripts[len(provider.calls) - 1]
    events = [
        event async for event in await sdk.responses.create(model=model, input="Hi", stream=True)
    ]
    assert [it.type for it in events].count("response.output_item.added") == 1
    final: Any = events[-1]
    assert final.type == "response.completed"
    assert final.response.output_text == "Hello, world."


async def test_a_restart_after_some_text_ends_the_stream_with_an_error(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    def script(_: object) -> Script:
        if len(provider.calls) % 2:
            return Script(pieces=["Half "] * 4, pause_s=0.2, cut_after=3)
        return Script()

    provider.script = script
    events: list[Any] = []

    async def read() -> None:
        async for event in await sdk.responses.create(model=model, input="Hi", stream=True):
            events.append(event)  # noqa: PERF401 - those before the error count

    with pytest.raises(openai.APIError, match="begun again") as restarted:
        await read()
    assert restarted.value.code == "run_restarted"
    first = events[0]
    assert events[-1].type == "response.output_text.delta"
    whole = [it async for it in await sdk.responses.retrieve(first.response.id, stream=True)]
    deltas = [it.delta for it in whole if it.type == "response.output_text.delta"]
    assert "".join(deltas) == "Hello, world."

    stream = await sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match="begun again"):
        [chunk async for chunk in stream]


async def test_a_client_that_leaves_does_not_end_the_run(
    sdk: AsyncOpenAI, model: str, provider: Provider, api: Api, namespace: str
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 20, pause_s=0.1)
    asking = asyncio.create_task(sdk.responses.create(model=model, input="Hi", store=False))
    await eventually(lambda: provider.calls, within_s=30, what="the call")
    asking.cancel()

    async def ended() -> bool:
        (task,) = await api.list("tasks", namespace)
        assert task["status"]["phase"] == "Completed", task["status"]
        assert task["status"]["result"] == "word " * 20
        assert task["spec"]["ttlSecondsAfterFinished"] == 3600
        return True

    await eventually(ended, within_s=30, what="the end of the Task")


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools", "unsupported_parameter"),
        ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input[0].content[0].type",
            "unsupported_parameter",
        ),
        ({"input": [{"role": "assistant", "content": "Hi"}]}, "input", "invalid_value"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": "p" * 131073}, "input", "context_length_exceeded"),
        ({"background": True, "store": False}, "store", "invalid_value"),
        ({"extra_body": {"sparkle": 1}}, "sparkle", "unknown_parameter"),
    ],
)
async def test_a_parameter_that_cannot_be_honoured_is_refused_by_name(
    sdk: AsyncOpenAI, model: str, more: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.responses.create(**({"model": model, "input": "Hi"} | more))
    assert refused.value.param == param
    assert refused.value.code == code


async def test_errors_are_those_of_the_sdk(sdk: AsyncOpenAI, model: str, namespace: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.responses.create(model=f"{namespace}/none", input="Hi")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError, match='namespace "default"'):
        await sdk.responses.create(model="gpt-4o", input="Hi")  # a Team of the default namespace
    with pytest.raises(openai.PermissionDeniedError, match='"gpt-4" is forbidden'):
        await sdk.models.retrieve("gpt-4")
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve("resp_nothing")
    with pytest.raises(openai.PermissionDeniedError):
        await sdk.responses.create(model="kube-system/none", input="Hi")
    with pytest.raises(openai.BadRequestError, match="n: "):
        await sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], n=2
        )
    with pytest.raises(openai.PermissionDeniedError):
        await sdk.with_options(project="default").responses.create(model=model, input="Hi")
    stranger = sdk.with_options(api_key="sk-forged")
    with pytest.raises(openai.AuthenticationError) as refused:
        await stranger.models.list()
    assert refused.value.code == "invalid_api_key"
    assert (await sdk.models.retrieve(model)).owned_by == namespace


async def test_a_user_of_the_whole_cluster_sees_all_teams(
    sdk: AsyncOpenAI, model: str, kubectl: Kubectl, api: Api, namespace: str, other: str
) -> None:
    await api.create("teams", other, "elsewhere", {"bots": [{"name": "b"}]})
    elsewhere = f"{other}/elsewhere"
    assert elsewhere not in [it.id async for it in sdk.models.list()]
    with pytest.raises(openai.PermissionDeniedError):
        await sdk.models.retrieve(elsewhere)
    binding = ("clusterrolebinding", f"all-{namespace}")
    account = f"--serviceaccount={namespace}:editor"
    kubectl.run("create", *binding, "--clusterrole=wegent-viewer", account).ok()
    try:

        async def seen() -> bool:
            return {model, elsewhere} <= {it.id async for it in sdk.models.list()}

        await eventually(seen, within_s=30, what="the Teams of both namespaces")
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.responses.create(model=elsewhere, input="Hi")
        assert refused.value.code == "model_not_ready"
    finally:
        kubectl.run("delete", *binding).ok()


async def test_a_user_with_too_many_streams_has_to_wait(
    runner: Running,
    client: Client,
    model: str,
    provider: Provider,
    start_proxy: Callable[..., ProxyProcess],
    api: Api,
    namespace: str,
) -> None:
    assert runner.settings.slots > 1
    provider.script = lambda _: Script(pieces=["word "] * 20, pause_s=0.1)
    proxy = start_proxy(streams_per_user="1")
    async with AsyncOpenAI(
        base_url=f"{proxy.url}/v1", api_key=client.token, max_retries=0, timeout=60
    ) as sdk:
        first = asyncio.create_task(sdk.responses.create(model=model, input="Hi"))
        await eventually(lambda: provider.calls, within_s=30, what="the call")
        with pytest.raises(openai.RateLimitError) as refused:
            await sdk.responses.create(model=model, input="Hi", stream=True)
        assert refused.value.code == "rate_limit_exceeded"
        assert int(refused.value.response.headers["Retry-After"]) > 0
        assert len(await api.list("tasks", namespace)) == 1, "a refused request makes no Task"
        assert (await first).status == "completed"
        assert (await sdk.responses.create(model=model, input="Hi")).status == "completed"
