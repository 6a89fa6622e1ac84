"""Model: an LLM at a provider, and how to call it."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import INT32, Rule
from wegent_crds.schema.fields import (
    Description,
    HttpUrl,
    Provider,
    ReferableSpec,
    SecretKeyReference,
)


class ModelSpec(ReferableSpec):
    """Which LLM, and how to call it."""

    provider: Annotated[Provider, Field(examples=["openai"])]
    """Whose API it is, in lower case: openai, anthropic. A Shell may take only some providers."""
    model: Annotated[str, Field(min_length=1, max_length=253, examples=["gpt-4"])]
    """Name of the LLM, as the provider has it."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely it answers, from 0 to 2; the provider's default when left out."""
    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1), INT32] | None = None
    """Longest answer, in tokens; the provider's default when left out."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the probability that tokens are sampled from, from 0 to 1; the provider's default
    when left out."""
    base_url: HttpUrl | None = None
    """Where the API is, without a user or a password; the provider's own address when left out.
    It must be https, unless allowInsecureBaseUrl is true."""
    allow_insecure_base_url: bool = False
    """Whether baseUrl may be plain http, which shows key and prompts to the network: for a server
    beside the Shell, or one that a mesh encrypts for."""
    api_key_secret_ref: SecretKeyReference | None = None
    """Secret with the API key, in the same namespace."""
    description: Description | None = None
    """What the Model is for, in words for people."""

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
    """A Model names an LLM and says how to call it."""

    columns = (
        Column("Provider", ".spec.provider"),
        Column("Model", ".spec.model"),
        Column("Base URL", ".spec.baseUrl", priority=1),
    )
    selectable = (".spec.provider", ".spec.model")

    kind: Literal["Model"]
    """Name of the kind."""
    spec: ModelSpec
    """Which LLM, and how to call it."""
