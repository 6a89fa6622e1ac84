"""Model: an LLM of a provider, with the parameters of each call."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import INT32, Rule, map_by
from wegent_crds.schema.fields import (
    Description,
    HttpUrl,
    ListedReference,
    Provider,
    ReferableSpec,
    SecretKeyReference,
)


class ModelSpec(ReferableSpec):
    """ModelSpec describes an LLM and the parameters of each call."""

    provider: Annotated[Provider, Field(examples=["openai"])]
    """Provider of the API in lower case, such as openai or anthropic. A Shell may support only some
    providers."""
    model: Annotated[str, Field(min_length=1, max_length=253, examples=["gpt-4"])]
    """Name of the LLM at the provider, 1 to 253 characters."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature, from 0 to 2. A higher value makes answers more varied. Defaults to the
    provider's value."""
    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1), INT32] | None = None
    """Maximum length of an answer in tokens, at least 1. Defaults to the provider's value."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Nucleus sampling: the share of the probability mass that tokens are sampled from, from 0 to
    1. Defaults to the provider's value."""
    base_url: HttpUrl | None = None
    """Base URL of the API without a user or a password, at most 2,048 characters. Must be https,
    unless allowInsecureBaseUrl is true. Defaults to the provider's own address."""
    allow_insecure_base_url: bool = False
    """Specifies whether baseUrl may be http, which exposes the API key and the prompts to the
    network. Use it for a server in the Shell's own Pod, or where a service mesh encrypts. Defaults
    to false."""
    api_key_secret_ref: SecretKeyReference | None = None
    """Reference to the Secret key with the API key, in the namespace of the Model. If a call
    can't use the key, KeyUsable is False with the reason KeyNotUsable or KeyRefused."""
    api_format: Literal["chat", "responses", "messages"] | None = None
    """Format of the API: chat and responses are OpenAI's Chat Completions and Responses, messages
    is Anthropic's Messages. Defaults to messages for the provider anthropic, and to chat for all
    others."""
    fallback_refs: (
        Annotated[list[ListedReference], Field(max_length=8), map_by("namespace", "name")] | None
    ) = None
    """References to the Models to call, in this order, if a call of this Model fails, at most 8,
    each Model once. The fallbacks of a fallback are not called, so two Models may name each other.
    If a Model does not exist, ResolvedRefs and Ready are False with the reason RefNotFound."""
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000), INT32] | None = None
    """Maximum number of calls of this Model at once, over all runners and namespaces, 1 to 10,000.
    Further calls wait. Defaults to no limit."""
    description: Description | None = None
    """Human-readable description of the Model, at most 1,024 characters."""

    rules = (
        Rule(
            cel="!has(self.baseUrl) || self.baseUrl.startsWith('https://')"
            " || self.allowInsecureBaseUrl",
            message="must be https, unless allowInsecureBaseUrl is true",
            check=lambda self: (
                self.base_url is None
                or self.base_url.startswith("https://")
                or self.allow_insecure_base_url
            ),
            field_path=".baseUrl",
        ),
    )


class Model(CustomResource):
    """Model is an LLM of a provider, with the parameters of each call."""

    columns = (
        Column("Provider", ".spec.provider", priority=1),
        Column("Model", ".spec.model"),
        Column("Base URL", ".spec.baseUrl", priority=1),
        Column("Key", '.status.conditions[?(@.type=="KeyUsable")].reason'),
    )
    selectable = (".spec.provider", ".spec.model")

    kind: Literal["Model"]
    """Name of the kind: Model."""
    spec: ModelSpec
    """Specification of the LLM and of the parameters of each call."""
