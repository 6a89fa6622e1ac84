"""One streamed call of one Model. All that depends on pydantic-ai's streams is here."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, Self, TypedDict

import httpx2
from pydantic_ai import exceptions as ai
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition

from wegent_crds.conditions import Reason
from wegent_kube import KubeError
from wegent_runner.engine.egress import EgressPolicy, GuardedTransport
from wegent_runner.engine.failures import (
    CallFailed,
    cut_answer,
    failed_answer,
    failure_of,
    too_many_calls,
    unexpected_tool_call,
)
from wegent_runner.engine.key_condition import USABLE, KeyConditions, not_usable, refused
from wegent_runner.engine.keys import KeyNotUsable, Keys
from wegent_runner.engine.providers import base_url, model_of, settings_of
from wegent_runner.engine.redaction import Redactor, struck
from wegent_runner.engine.tools import ToolSpec
from wegent_runner.plan.plan import ModelPlan
from wegent_runner.runs.text import StorableText, storable

CONNECT_TIMEOUT_S: Final = 10.0
MAX_CALLS: Final = 256
"""Calls of tools in one answer. A longer one is refused whole."""
MAX_NAME_CHARACTERS: Final = 128
"""Length at which the name of a called tool is cut. Tools that exist have shorter ones."""
MAX_TOKENS: Final = 10**9
"""Tokens that one call may be counted with. No context is longer."""
KEY_FAULTS: Final = frozenset({Reason.KEY_NOT_USABLE.value, Reason.KEY_REFUSED.value})
"""Reasons of failures that the owner of the Model can mend."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation before the call."""

    role: str
    """``user`` or ``assistant``."""
    text: str


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call of a tool that an LLM asks for.

    Attributes:
        id: The id of the call. Those of providers may be empty, or not unique.
        name: Name of the tool. It may be one that does not exist.
        arguments: JSON, as the LLM wrote it. It may be invalid.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Called:
    """An answer with calls of tools, and their results in the same order."""

    text: str
    calls: tuple[CallRequest, ...]
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutputForm:
    """The JSON Schema of an answer, for providers that hold an LLM to one.

    Attributes:
        name: Name of the schema: 1 to 64 letters, digits, dashes and underscores.
        schema: The JSON Schema.
    """

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelInput:
    """All that an LLM is told in one call.

    Attributes:
        instructions: The system prompt.
        messages: The conversation, the oldest first.
        tools: The tools that it may call.
        must_call: True if it has to call one.
        form: The form of the answer. A provider without a way to be told it isn't.
    """

    instructions: str
    messages: Sequence[Turn | Called]
    tools: Sequence[ToolSpec] = ()
    must_call: bool = False
    form: OutputForm | None = None


@dataclass(slots=True)
class Usage:
    """Tokens and cost of calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    model_requests: int = 0
    cost_usd: Decimal | None = None
    """None if the price is not known."""

    def add(self, other: "Usage") -> None:
        """Add the usage of another call."""
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cached_input_tokens += other.cached_input_tokens
        self.model_requests += other.model_requests
        if other.cost_usd is not None:
            self.cost_usd = (self.cost_usd or Decimal(0)) + other.cost_usd


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a call.

    ``truncated`` is True if the answer has reached the maximum of tokens.
    """

    usage: Usage
    truncated: bool
    calls: tuple[CallRequest, ...] = field(default=())


class ModelCaller:
    """Calls Models over one guarded pool of connections. It is an async context manager.

    Args:
        keys: the API keys.
        policy: the addresses that may be called.
        conditions: the conditions of Models whose keys fail; None to write none.
        silence_s: Seconds without a byte after which a provider counts as hung.
        traced: True to record a span for each call, without prompts and answers.
    """

    def __init__(
        self,
        keys: Keys,
        policy: EgressPolicy,
        conditions: KeyConditions | None = None,
        *,
        silence_s: float = 120.0,
        traced: bool = False,
    ) -> None:
        self._keys = keys
        self._conditions = conditions
        self._instrument = InstrumentationSettings(include_content=False) if traced else False
        self._http = httpx2.AsyncClient(
            transport=GuardedTransport(policy),
            timeout=httpx2.Timeout(silence_s, connect=CONNECT_TIMEOUT_S),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def stream(
        self, plan: ModelPlan, told: ModelInput, request_id: str
    ) -> AsyncGenerator[str | Done, None]:
        """Yield the deltas of the answer, and at last its ``Done``.

        Closing the iterator closes the connection to the provider.

        Raises:
            CallFailed: the call failed, perhaps after some deltas.
        """
        key: str | None = None
        try:
            key = await self._key(plan)
            redactor, text = Redactor(key), StorableText()
            model = model_of(plan, key, self._http)
            opened = model_request_stream(
                model,
                _messages(told),
                model_settings=settings_of(plan, request_id, must_call=told.must_call),
                model_request_parameters=_parameters(model, told),
                instrument=self._instrument,
            )
            async with _mapped(opened, plan, key) as response:
                async for event in response:
                    if piece := text.feed(redactor.feed(_text(event, plan, key, told))):
                        yield piece
                answer = response.get()
                rest = redactor.feed(_refusal(answer)) + redactor.flush()
                if rest := text.feed(rest) + text.flush():
                    yield rest
                if not _has_ended(answer):
                    raise cut_answer(plan.name)
                if len(answer.tool_calls) > MAX_CALLS:
                    raise too_many_calls(plan.name, MAX_CALLS)
                if answer.finish_reason == "error":
                    raise failed_answer(plan.name)
                done = _done(answer, plan, key)
                if self._conditions is not None:
                    await self._conditions.report(plan, USABLE, "the API key works again")
                yield done
        except CallFailed as error:
            if error.reason in KEY_FAULTS:
                await self._key_failed(plan, error)
            raise
        except ai.UserError as error:
            message = f"Model {plan.name}: {struck(str(error), key)}"
            raise CallFailed("RequestRejected", message) from None

    async def _key(self, plan: ModelPlan) -> str | None:
        if plan.api_key is None:
            return None
        try:
            return await self._keys.get(plan.api_key, base_url(plan))
        except KeyNotUsable as error:
            raise CallFailed(
                "KeyNotUsable", f"Model {plan.name}: {error}", retryable=error.passing
            ) from error
        except KubeError as error:
            told = f"Model {plan.name}: the API key can't be read now: {error}"
            raise CallFailed("KeyUnreadable", told, retryable=True) from error

    async def _key_failed(self, plan: ModelPlan, error: CallFailed) -> None:
        """Forget the key, so that the next call reads it, and report the failure on the Model.

        A failure that may end by itself isn't reported: its cause isn't in the Model.
        """
        if plan.api_key is not None:
            self._keys.forget(plan.api_key)
        if self._conditions is None or error.retryable:
            return
        cause = error.__cause__
        verdict = (
            not_usable(str(cause)) if isinstance(cause, KeyNotUsable) else refused(plan.api_key)
        )
        await self._conditions.report(plan, verdict, str(error))


def _text(
    event: ModelResponseStreamEvent, plan: ModelPlan, key: str | None, told: ModelInput
) -> str:
    """Return the text that an event adds to the answer.

    Raises:
        CallFailed: the answer calls a tool, and none was offered.
    """
    if isinstance(event, PartStartEvent) and isinstance(event.part, ToolCallPart):
        if told.tools:
            return ""
        raise unexpected_tool_call(plan.name, struck(event.part.tool_name, key))
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _refusal(answer: ModelResponse) -> str:
    """Return the words in which an LLM refuses to answer, if it does. They are its answer.

    OpenAI's APIs stream them beside the text, and pydantic-ai has them at the end.
    """
    return str((answer.provider_details or {}).get("refusal") or "")


@asynccontextmanager
async def _mapped(
    opened: AbstractAsyncContextManager[StreamedResponse], plan: ModelPlan, key: str | None
) -> AsyncIterator[StreamedResponse]:
    """Open a stream, and turn all its errors into ``CallFailed``.

    The SDKs don't check an answer against its schema. JSON of another form raises any error.
    """
    try:
        async with opened as response:
            yield response
    except (CallFailed, ai.UserError):
        raise
    except Exception as error:  # noqa: BLE001 - the docstring says why
        raise failure_of(error, plan.name, key) from None  # the cause may hold the key


class _Form(TypedDict, total=False):
    output_mode: Literal["native"]
    output_object: OutputObjectDefinition


def _parameters(model: Model, told: ModelInput) -> ModelRequestParameters:
    form: _Form = {}
    if told.form is not None and model.profile.get("supports_json_schema_output", False):
        definition = OutputObjectDefinition(dict(told.form.schema), told.form.name)
        form = {"output_mode": "native", "output_object": definition}
    return ModelRequestParameters(
        **form,
        function_tools=[
            ToolDefinition(
                name=tool.name,
                description=tool.description,
                parameters_json_schema=dict(tool.parameters),
                strict=False,
            )
            for tool in told.tools
        ],
    )


def _messages(told: ModelInput) -> list[ModelMessage]:
    messages: list[ModelMessage] = []
    for message in told.messages:
        if isinstance(message, Called):
            messages += _called(message, told.instructions)
        elif message.role == "user":
            messages.append(
                ModelRequest(parts=[UserPromptPart(message.text)], instructions=told.instructions)
            )
        else:
            messages.append(ModelResponse(parts=[TextPart(message.text)]))
    return messages


def _called(step: Called, instructions: str) -> list[ModelMessage]:
    text = [TextPart(step.text)] if step.text else []
    calls = [
        ToolCallPart(call.name, call.arguments or "{}", tool_call_id=call.id) for call in step.calls
    ]
    results = [
        ToolReturnPart(call.name, result, tool_call_id=call.id)
        for call, result in zip(step.calls, step.results, strict=True)
    ]
    return [
        ModelResponse(parts=[*text, *calls]),
        ModelRequest(parts=results, instructions=instructions),
    ]


def _calls(answer: ModelResponse, key: str | None) -> tuple[CallRequest, ...]:
    """Return the calls of an answer."""
    return tuple(
        CallRequest(
            part.tool_call_id,
            struck(storable(part.tool_name), key)[:MAX_NAME_CHARACTERS],
            struck(storable(_written(part.args)), key),
        )
        for part in answer.tool_calls
    )


def _written(arguments: str | dict[str, Any] | None) -> str:
    """Return the arguments of a call as the LLM wrote them. pydantic-ai replaces invalid JSON."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {})


def _has_ended(response: ModelResponse) -> bool:
    """Return True if the provider has said why the answer ends.

    pydantic-ai takes a stream that just ends for a whole answer. A proxy before the provider may
    have closed it. ``provider_details`` has the provider's own reason.
    """
    told = (response.provider_details or {}).get("finish_reason")
    return told is not None or response.finish_reason == "content_filter"


def _done(response: ModelResponse, plan: ModelPlan, key: str | None) -> Done:
    used = response.usage
    return Done(
        Usage(
            input_tokens=_tokens(used.input_tokens),
            output_tokens=_tokens(used.output_tokens),
            cached_input_tokens=_tokens(used.cache_read_tokens),
            cost_usd=_cost(response, plan),
        ),
        truncated=response.finish_reason == "length",
        calls=_calls(response, key),
    )


def _tokens(told: object) -> int:
    """Return a number of tokens as a Task's status can hold it; 0 for any other value.

    The SDKs pass on what a provider has sent. The API server would refuse the end of the Task.
    """
    try:
        return max(0, min(int(told), MAX_TOKENS))  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0


def _cost(response: ModelResponse, plan: ModelPlan) -> Decimal | None:
    """Return the price by the list in genai-prices; None for a Model at an address of its own."""
    if plan.base_url is not None:
        return None
    try:
        return response.cost().total_price
    except (LookupError, ValueError):
        return None
