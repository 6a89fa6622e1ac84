"""The bodies of requests, and the parameters that a Team can't honour.

A Team's Models fix how an answer is made. Parameters that tune it are accepted and ignored, since
many clients always send them. A parameter that would change what the answer means is refused by its
name. So is an unknown one, as OpenAI does.

Tools of the client are an offer. A Team never makes use of it, as any LLM may. A request that
depends on a call has a `tool_choice` that says so, and is refused.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from wegent_api.http.error_responses import causes_of
from wegent_api.http.errors import BadRequest
from wegent_api.openai_api.errors import Refusal, unsupported

MODEL_MAX: Final = 317
ID_MAX: Final = 324

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16, description="Up to 16 pairs, kept as an annotation of the Task."),
]
ModelId = Annotated[str, Field(max_length=MODEL_MAX, description="Team, as `namespace/name`.")]
FORMAT: Final = Field(
    description="Format of the answer: `text`, `json_object` or `json_schema`. A schema becomes the"
    " `outputSchema` of the Task."
)


class _Body(BaseModel):
    # Further parameters are known by the tables below, and not described one by one.
    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"additionalProperties": True}
    )


B = TypeVar("B", bound=_Body)


class TextOptions(BaseModel):
    """TextOptions is a part of `CreateResponse`."""

    format: Annotated[dict[str, Any], FORMAT] | None = None


class CreateResponse(_Body):
    """CreateResponse is the body of a request for a response."""

    model: ModelId
    input: str | list[Any]
    instructions: str | None = None
    stream: StrictBool | None = None
    background: StrictBool | None = None
    previous_response_id: Annotated[str, Field(max_length=ID_MAX)] | None = None
    store: StrictBool | None = None
    metadata: Metadata | None = None
    truncation: Literal["auto", "disabled"] | None = None
    text: TextOptions | None = None


class StreamOptions(BaseModel):
    """StreamOptions is a part of `CreateChatCompletion`."""

    include_usage: StrictBool | None = None
    include_obfuscation: StrictBool | None = None


class CreateChatCompletion(_Body):
    """CreateChatCompletion is the body of a request for a chat completion."""

    model: ModelId
    messages: Annotated[list[Any], Field(min_length=1)]
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    response_format: Annotated[dict[str, Any], FORMAT] | None = None
    store: StrictBool | None = None
    metadata: Metadata | None = None


IGNORED: Final = frozenset(
    {
        *("frequency_penalty", "include", "max_completion_tokens", "max_output_tokens"),
        *("max_tokens", "max_tool_calls", "moderation", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "reasoning", "reasoning_effort", "safety_identifier", "seed"),
        *("service_tier", "temperature", "top_p", "user", "verbosity"),
        # Parameters of other servers, which Open WebUI offers for every model.
        *("keep_alive", "min_p", "mirostat", "mirostat_eta", "mirostat_tau", "num_batch"),
        *("num_ctx", "num_gpu", "num_keep", "num_predict", "num_thread", "repeat_last_n"),
        *("repeat_penalty", "repetition_penalty", "tfs_z", "think", "top_k", "use_mlock"),
        "use_mmap",
    }
)
"""Parameters that the Bot's Model fixes, or that only the service of another provider has a use
for."""


CLIENT_TOOLS: Final = ("function", "custom")


def _is_text(value: Any) -> bool:
    """Return whether a format of the answer is plain text, which it always is."""
    return isinstance(value, Mapping) and value.get("type", "text") == "text"


def _has_text_format(value: Any) -> bool:
    return isinstance(value, Mapping) and _is_text(value.get("format") or {})


def _nothing(value: Any) -> bool:
    return not value


def _called_by_client(value: Any) -> bool:
    """Return whether all tools are the client's own. Others, such as searches, OpenAI runs."""
    return isinstance(value, list) and all(
        isinstance(tool, Mapping) and tool.get("type") in CLIENT_TOOLS for tool in value
    )


def _no_tool(value: Any) -> bool:
    return value in {"none", "auto"} if isinstance(value, str) else False


HARMLESS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "audio": _nothing,
    "context_management": _nothing,
    "conversation": _nothing,
    "function_call": _no_tool,
    "format": _nothing,
    "functions": lambda value: isinstance(value, list),
    "logit_bias": _nothing,
    "logprobs": _nothing,
    "modalities": lambda value: value == ["text"],
    "n": lambda value: value == 1,
    "prompt": _nothing,
    "response_format": _is_text,  # of a chat completion; here for responses, and "text" for chats
    "stop": _nothing,
    "stream_options": lambda value: isinstance(value, Mapping),
    "text": _has_text_format,
    "tool_choice": _no_tool,
    "tools": _called_by_client,
    "top_logprobs": _nothing,
    "web_search_options": lambda _: False,
}
"""Parameters that would change the answer, each with the values that change nothing."""


def read_parameters(model: type[B], body: Mapping[str, Any]) -> B:
    """Return a request's body.

    Raises:
        Refusal: a parameter is unknown, or can't be honoured.
        BadRequest: a parameter's value is not valid.
    """
    known: dict[str, Any] = {}
    for name, value in body.items():
        if name in model.model_fields:
            known[name] = value
        elif value is None or name in IGNORED:
            continue
        elif name not in HARMLESS:
            shown = name[:64]
            message = f"Unknown parameter: '{shown}'."
            raise Refusal(400, message, param=shown, code="unknown_parameter")
        elif not HARMLESS[name](value):
            raise unsupported(name, "is not supported with this value: the Team decides on it")
    try:
        return model.model_validate(known)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise BadRequest.of(causes_of(found)) from None
