"""The LLM APIs: OpenAI's chat completions and Responses, and Anthropic's messages."""

import os
from typing import Final

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from wegent_crds.providers import BASE_URLS
from wegent_runner.engine.failures import CallFailed
from wegent_runner.plan.plan import ModelPlan

NO_KEY: Final = "none"
"""Sent where a Model names no key. The SDKs insist on one, and local servers ignore it."""


SDK_VARIABLES: Final = ("ANTHROPIC_", "OPENAI_")
"""Beginnings of the names of the variables that the SDKs read."""


def forget_sdk_variables() -> None:
    """Delete the environment variables of the SDKs.

    They hold keys, headers and organizations. The SDKs would send those to each host that a Model
    names.
    """
    for name in [name for name in os.environ if name.startswith(SDK_VARIABLES)]:
        del os.environ[name]


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
        anthropic = AsyncAnthropic(
            api_key=key, base_url=url.removesuffix("/v1"), http_client=http, max_retries=0
        )
        return AnthropicModel(plan.model, provider=AnthropicProvider(anthropic_client=anthropic))
    openai = OpenAIProvider(
        openai_client=AsyncOpenAI(api_key=key, base_url=url, http_client=http, max_retries=0)
    )
    if plan.api_format == "responses":
        return OpenAIResponsesModel(plan.model, provider=openai)
    return OpenAIChatModel(plan.model, provider=openai)


def settings_of(plan: ModelPlan) -> ModelSettings:
    """Return the parameters of a call; those that the Model leaves out are the provider's."""
    settings = ModelSettings()
    if plan.temperature is not None:
        settings["temperature"] = plan.temperature
    if plan.top_p is not None:
        settings["top_p"] = plan.top_p
    if plan.max_tokens is not None:
        settings["max_tokens"] = plan.max_tokens
    return settings
