"""The answer of ``/api/v1/kinds/models/{name}/test``."""

from typing import Annotated

from pydantic import Field

from wegent_api.accounts.models import Answer


class ModelTestUsage(Answer):
    """The tokens of the call, as the provider counts them, and their cost."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_usd: Annotated[str | None, Field(alias="costUSD")] = None
    """Cost in US dollars, in decimal notation. Absent if the price is not known, as that of each
    Model with a baseUrl."""


class ModelTestError(Answer):
    """The failure of the call, in the words that the status of a Task would have."""

    reason: str
    """Reason in CamelCase, such as `KeyRefused`, `Unreachable`, `EgressRefused` or `Timeout`."""
    message: str
    """The fault, with the provider's own words. API keys are struck out."""


class ModelTest(Answer):
    """The result of one call of a Model."""

    succeeded: bool
    """True if the Model has answered."""
    provider: str
    """Provider of the Model."""
    model: str
    """Name of the LLM at the provider."""
    first_delta_milliseconds: int | None = None
    """Time from the beginning of the call to the first text. Absent if there was none."""
    total_milliseconds: int
    """Time from the beginning of the call to its end or failure."""
    usage: ModelTestUsage | None = None
    """Usage of the call. Absent if it failed."""
    error: ModelTestError | None = None
    """Failure of the call. Absent if it succeeded."""
