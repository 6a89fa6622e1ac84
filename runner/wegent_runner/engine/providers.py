"""The LLM APIs: OpenAI's chat completions and Responses, and Anthropic's messages."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import Choice
from pydantic import ValidationError
from pydantic_ai.messages import ModelResponseStreamEvent
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIResponsesModel,
    OpenAIStreamedResponse,
)
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from wegent_crds.providers import BASE_URLS
from wegent_runner.engine.failures import CallFailed
from wegent_runner.plan.plan import ModelPlan

REQUEST_ID_HEADERS: Final = ("X-Request-Id", "X-Client-Request-Id")
"""Headers with the id of a Task's request. Gateways log the first, and OpenAI the second."""
NO_KEY: Final = "none"
"""Sent where a Model names no key. The SDKs insist on one, and local servers ignore it."""
SDK_VARIABLES: Final = ("ANTHROPIC_", "OPENAI_")
"""Beginnings of the names of the variables that the SDKs read."""
NO_USAGE: Final = RequestUsage()
CHUNKS_AT_ONCE: Final = 32
"""Chunks after which a stream gives way to all other tasks. A provider may send a thousand in one
write, which take some 50 ms."""

T = TypeVar("T")


def forget_sdk_variables() -> None:
    """Delete the environment variables of the SDKs.

    They hold keys, headers and organizations. The SDKs would send those to each host that a Model
    names.
    """
    for name in [name for name in os.environ if name.startswith(SDK_VARIABLES)]:
        del os.environ[name]


class FastOpenAI(AsyncOpenAI):
    """OpenAI's client, which takes less CPU for each chunk of a chat completion.

    The SDK builds a chunk in Python, by its annotations, which takes more than all else in its
    stream. Pydantic's compiled validation builds the same chunk at a tenth of the cost. It refuses
    chunks that don't match the schema, such as those with a finish reason of the provider's own.
    The SDK builds these.
    """

    def _process_response_data(
        self, *, data: object, cast_to: type[T], response: httpx2.Response
    ) -> T:
        if cast_to is ChatCompletionChunk:
            try:
                return cast("T", ChatCompletionChunk.model_validate(data, strict=True))
            except ValidationError:
                pass
        return super()._process_response_data(data=data, cast_to=cast_to, response=response)


@dataclass
class FastStreamedResponse(OpenAIStreamedResponse):
    """The stream of a chat completion, which takes less CPU for each chunk with text alone.

    The methods are the library's hooks for subclasses. Each does the same as the one that it
    overrides:

    - ``_validate_response``: The library guards each chunk by a lock and a cancel scope, and gives
      way to all other tasks. Several tasks may read its streams at once; one reads ours.
    - ``_map_usage`` and ``_add_usage``: Nearly all chunks have no usage, and add zeros.
    - ``_map_part_delta`` and ``_map_provider_details``: Most chunks have text and nothing else,
      such as tool calls, reasons or fields beyond OpenAI's schema.

    Without sockets, a delta takes 43 µs from the provider's bytes to the run's log, instead of 89.
    """

    async def _validate_response(self) -> AsyncIterator[ChatCompletionChunk]:
        yield await anext(self._response)  # the library has peeked at the first one
        await self._response.aclose()
        at_once = 0
        async for chunk in self._response.source:
            yield chunk
            at_once += 1
            if at_once == CHUNKS_AT_ONCE:
                at_once = 0
                await asyncio.sleep(0)

    def _map_usage(self, response: ChatCompletionChunk) -> RequestUsage:
        return NO_USAGE if response.usage is None else super()._map_usage(response)

    def _add_usage(self, usage: RequestUsage, *, reported: bool, cumulative: bool = False) -> None:
        if reported:
            super()._add_usage(usage, reported=reported, cumulative=cumulative)

    def _map_part_delta(self, choice: Choice) -> Iterable[ModelResponseStreamEvent]:
        delta = choice.delta
        if delta.tool_calls or delta.model_extra:
            return super()._map_part_delta(choice)
        return self._map_text_delta(choice)

    def _map_provider_details(self, chunk: ChatCompletionChunk) -> dict[str, Any] | None:
        choice = chunk.choices[0]
        if choice.finish_reason is None and choice.logprobs is None:
            return None
        return super()._map_provider_details(chunk)


class FastOpenAIChatModel(OpenAIChatModel):
    """A model whose streams are `FastStreamedResponse`s."""

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return FastStreamedResponse


def base_url(plan: ModelPlan) -> str:
    """Return the URL of a Model's API.

    Raises:
        CallFailed: the Model names none, and its provider is not known.
    """
    url = plan.base_url or BASE_URLS.get(plan.provider)
    if url is None:
        raise CallFailed(
            "BaseUrlMissing",
            f"Model {plan.name}: spec.baseUrl is required for the provider {plan.provider}",
        )
    return url


def model_of(plan: ModelPlan, key: str | None, http: httpx2.AsyncClient) -> Model:
    """Return the model that pydantic-ai calls. Retries are ours, and not the SDK's."""
    url, key = base_url(plan), key or NO_KEY
    if plan.api_format == "messages":
        root = url.rstrip("/").removesuffix("/v1")  # the SDK adds it
        anthropic = AsyncAnthropic(api_key=key, base_url=root, http_client=http, max_retries=0)
        return AnthropicModel(plan.model, provider=AnthropicProvider(anthropic_client=anthropic))
    openai = OpenAIProvider(
        openai_client=FastOpenAI(api_key=key, base_url=url, http_client=http, max_retries=0)
    )
    if plan.api_format == "responses":
        return OpenAIResponsesModel(plan.model, provider=openai)
    return FastOpenAIChatModel(plan.model, provider=openai)


def settings_of(plan: ModelPlan, request_id: str, *, must_call: bool = False) -> ModelSettings:
    """Return the parameters of a call; those that the Model leaves out are the provider's.

    With ``must_call``, the LLM has to call a tool.
    """
    settings = ModelSettings(extra_headers=dict.fromkeys(REQUEST_ID_HEADERS, request_id))
    if plan.temperature is not None:
        settings["temperature"] = plan.temperature
    if plan.top_p is not None:
        settings["top_p"] = plan.top_p
    if plan.max_tokens is not None:
        settings["max_tokens"] = plan.max_tokens
    if must_call:
        settings["tool_choice"] = "required"
    return settings
