"""Requests of Open WebUI, sent as its backend sends them to an OpenAI connection.

They are those of Open WebUI 0.12: a check of the connection, the models, chats, tasks of its own
such as titles, and chats over responses. Its backend uses aiohttp.
"""

import json
from typing import Any, Final

import pytest

from tests.support.provider import Provider, Script
from tests.support.proxy import Client

pytestmark = pytest.mark.usefixtures("operator", "runner")

HEADERS: Final = {
    "Content-Type": "application/json",
    "X-OpenWebUI-User-Name": "Ada%20Lovelace",
    "X-OpenWebUI-User-Id": "0b9f2a0c-7f0e-4a0e-8b1e-2f5f8f0d1c11",
    "X-OpenWebUI-User-Email": "ada@example.com",
    "X-OpenWebUI-User-Role": "user",
    "X-OpenWebUI-Auth-Type": "jwt",
}
CHAT: Final = {**HEADERS, "X-OpenWebUI-Chat-Id": "6d0d5b1c-2f3e-4c46-9a57-c1f2a7e0f1aa"}
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "search_chats",
        "description": "Search the user's chats.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}
TUNED: Final = {
    "temperature": 0.8,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "repeat_penalty": 1.1,
    "repeat_last_n": 64,
    "mirostat": 0,
    "mirostat_eta": 0.1,
    "mirostat_tau": 5.0,
    "tfs_z": 1.0,
    "seed": 7,
    "max_tokens": 1000,
    "num_ctx": 4096,
    "num_batch": 512,
    "num_keep": 24,
    "num_gpu": 1,
    "num_thread": 4,
    "use_mmap": True,
    "use_mlock": False,
    "think": True,
    "keep_alive": "5m",
    "reasoning_effort": "low",
}
"""All advanced parameters of a chat that tune an answer."""


def events(content: bytes) -> list[Any]:
    """Return the data of a stream as its backend reads it: line by line."""
    lines = [it.strip() for it in content.decode().split("\n")]
    data = [it.removeprefix("data:").strip() for it in lines if it.startswith("data:")]
    return [it if it == "[DONE]" else json.loads(it) for it in data]


async def test_a_connection_is_verified_and_its_models_are_listed(
    client: Client, model: str
) -> None:
    listed = (await client.get("/v1/models", headers=HEADERS)).expect(200)
    assert model in [it["id"] for it in listed["data"]]
    refused = (await client.as_("sk-forged").get("/v1/models", headers=HEADERS)).expect(401)
    assert refused["error"]["code"] == "invalid_api_key"
    nobody = (await client.as_(None).get("/v1/models", headers=HEADERS)).expect(401)
    assert nobody["error"]["message"]


async def test_a_chat_with_tools_and_every_advanced_parameter(
    client: Client, model: str, provider: Provider
) -> None:
    body = {
        "stream": True,
        "model": model,
        "messages": [
            {"role": "system", "content": "User context: none."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [{"type": "text", "text": "Two?"}]},
        ],
        "stream_options": {"include_usage": True},
        "tools": [TOOL],
        **TUNED,
    }
    answer = await client.post("/v1/chat/completions", body, headers=CHAT)
    assert answer.status == 200, answer.content
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *chunks, done = events(answer.content)
    assert done == "[DONE]"
    texts = [it["choices"][0]["delta"].get("content", "") for it in chunks if it["choices"]]
    assert "".join(texts) == "Hello, world."
    assert chunks[-1]["usage"]["total_tokens"] == 11
    assert provider.calls[0].messages == [
        ("system", "You help.\n\nUser context: none."),
        ("user", "One?"),
        ("assistant", "One."),
        ("user", "Two?"),
    ]
    assert "tools" not in provider.calls[0].body


@pytest.mark.parametrize(
    ("limit", "prompt"),
    [
        ({"max_tokens": 1000}, "### Task:\nGenerate a concise title.\n<chat_history>"),
        ({"max_completion_tokens": 1000}, "### Task:\nGenerate 1-3 broad tags.\n<chat_history>"),
        ({}, "### Task:\nSuggest 3-5 follow-up questions.\n<chat_history>"),
    ],
)
async def test_titles_tags_and_follow_ups(
    client: Client, model: str, provider: Provider, limit: dict[str, int], prompt: str
) -> None:
    provider.script = lambda _: Script(pieces=['{"title": ', '"Greetings"}'])
    messages = [{"role": "user", "content": f"{prompt}\nUSER: Hi\n</chat_history>"}]
    body = {"model": model, "messages": messages, "stream": False, **limit}
    answer = (await client.post("/v1/chat/completions", body, headers=CHAT)).expect(200)
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"title": "Greetings"}


async def test_a_connection_with_responses(client: Client, model: str, provider: Provider) -> None:
    def message(role: str, kind: str, text: str) -> dict[str, Any]:
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    body = {
        "stream": True,
        "model": model,
        "temperature": 0.8,
        "max_output_tokens": 1000,
        "tools": [{"type": "function", "strict": False, **TOOL["function"]}],  # type: ignore[dict-item]
        "instructions": "Be kind.",
        "input": [
            message("user", "input_text", "One?"),
            message("assistant", "output_text", "One."),
            message("user", "input_text", "Two?"),
        ],
    }
    answer = await client.post("/v1/responses", body, headers=CHAT)
    assert answer.status == 200, answer.content
    last = events(answer.content)[-1]
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0]["content"][0]["text"] == "Hello, world."
    assert provider.calls[0].messages[0] == ("system", "You help.\n\nBe kind.")

    following = {
        "model": model,
        "stream": False,
        "input": [message("user", "input_text", "Three?")],
        "previous_response_id": last["response"]["id"],
    }
    whole = (await client.post("/v1/responses", following, headers=CHAT)).expect(200)
    assert whole["output"][0]["content"][0]["text"] == "Hello, world."


async def test_other_routes_are_refused_in_a_form_that_it_shows(client: Client) -> None:
    for path in ("embeddings", "audio/speech", "images/generations"):
        body = {"model": "text-embedding-3-small", "input": ["Hi"]}
        refused = (await client.post(f"/v1/{path}", body, headers=HEADERS)).expect(404)
        assert refused["error"]["type"] == "invalid_request_error"
