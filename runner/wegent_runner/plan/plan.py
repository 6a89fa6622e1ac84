"""The plan of a run, as plain values. Making it needs no cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from wegent_crds.conditions import (
    ConditionType,
    StoredCondition,
    conditions_of,
    find_condition,
)
from wegent_crds.well_known import REQUEST_ID

ApiFormat = Literal["chat", "responses", "messages"]
REQUEST_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Form of a request id, as the API proxy takes it from clients."""
SERVED_SHELLS: Final = frozenset({"Chat"})
SERVED_MODES: Final = frozenset({"solo"})


class NotServed(Exception):  # noqa: N818 - names the verdict
    """This runner doesn't run such a Task. Another one may."""


class NotSettled(Exception):  # noqa: N818 - names the verdict
    """The operator has no verdict yet on an object as it is now, or it isn't Ready."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The place of an API key."""

    namespace: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A Model as it was read, for the verdict on its API key.

    Attributes:
        version: ``metadata.resourceVersion``.
        key_condition: The condition ``KeyUsable``; None if there is none.
    """

    uid: str
    version: str
    generation: int
    key_condition: StoredCondition | None = None


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A Model to call.

    Attributes:
        name: ``namespace/name`` of the Model, for messages.
        base_url: None for the provider's own.
        max_concurrent_requests: Maximum number of calls at once over all runners; None for no
            limit.
        read: The version of the Model; None if it isn't known.
    """

    name: str
    provider: str
    model: str
    api_format: ApiFormat
    base_url: str | None = None
    api_key: SecretKey | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_concurrent_requests: int | None = None
    read: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class BotPlan:
    """A Bot of the run.

    Attributes:
        name: ``namespace/name`` of the Bot.
        instructions: System prompt of its Ghost, the Team's prompt for it, and the Task's
            instructions.
        models: The Bot's Model, and those to fall back to, in order.
    """

    name: str
    instructions: str
    models: tuple[ModelPlan, ...]


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One turn of the conversation before the prompt."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The run of one Task.

    Attributes:
        prompt: The Task's prompt.
        bot: The Bot that answers.
        previous: Name of the Task whose conversation goes on, in the Task's namespace.
        history: Turns between the previous Task's transcript and the prompt.
        request_id: Id that all calls of LLMs bear.
    """

    prompt: str
    bot: BotPlan
    request_id: str
    previous: str | None = None
    history: tuple[PastTurn, ...] = ()


def member_of(team: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the member of a ``solo`` Team that does the work: the leader, or else the first.

    Raises:
        NotServed: the Team has another mode.
    """
    spec = team["spec"]
    if spec.get("collaborationMode", "solo") not in SERVED_MODES:
        raise NotServed(f"collaborationMode {spec['collaborationMode']}")
    leaders = (it for it in spec["bots"] if it.get("role") == "leader")
    member: Mapping[str, Any] = next(leaders, spec["bots"][0])
    return member


def check_served(shell: Mapping[str, Any]) -> None:
    """Check that a runner like this serves a Shell.

    Raises:
        NotServed: it doesn't serve the Shell's type.
    """
    if shell["spec"]["type"] not in SERVED_SHELLS:
        raise NotServed(f"Shell type {shell['spec']['type']}")


def bot_plan(
    bot: Mapping[str, Any],
    ghost: Mapping[str, Any],
    models: tuple[Mapping[str, Any], ...],
    *further: str | None,
) -> BotPlan:
    """Return the plan of a Bot with its parts.

    ``further`` instructions follow the Ghost's: those of the Team for this Bot, and of the Task.
    """
    instructions = [ghost["spec"]["systemPrompt"], *filter(None, further)]
    return BotPlan(
        name=full_name(bot),
        instructions="\n\n".join(instructions),
        models=tuple(map(model_plan, models)),
    )


def model_plan(model: Mapping[str, Any]) -> ModelPlan:
    """Return the plan of a call of a Model."""
    spec = model["spec"]
    reference = spec.get("apiKeySecretRef")
    namespace = model["metadata"]["namespace"]
    return ModelPlan(
        name=full_name(model),
        provider=spec["provider"],
        model=spec["model"],
        api_format=spec.get("apiFormat") or default_format(spec["provider"]),
        base_url=spec.get("baseUrl"),
        api_key=(SecretKey(namespace, reference["name"], reference["key"]) if reference else None),
        temperature=spec.get("temperature"),
        top_p=spec.get("topP"),
        max_tokens=spec.get("maxTokens"),
        max_concurrent_requests=spec.get("maxConcurrentRequests"),
        read=model_version(model),
    )


def model_version(model: Mapping[str, Any]) -> ModelVersion:
    """Return the version of a Model, with its condition ``KeyUsable``."""
    metadata = model["metadata"]
    return ModelVersion(
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata["generation"],
        key_condition=find_condition(conditions_of(model), ConditionType.KEY_USABLE),
    )


def check_settled(body: Mapping[str, Any]) -> None:
    """Check that the operator has permitted the references of an object as they are now.

    The runner may read all objects. A user could otherwise refer to an object of another
    namespace, and have the runner use it before the operator refuses the reference.

    Raises:
        NotSettled: the object isn't Ready, or has changed since the operator's verdict.
    """
    ready = find_condition(conditions_of(body), ConditionType.READY)
    generation = body["metadata"]["generation"]
    if ready is None or not ready.is_true or ready.observed_generation != generation:
        raise NotSettled(
            f"{body.get('kind', 'object')} {full_name(body)} is not Ready as it is now"
        )


def history_of(spec: Mapping[str, Any]) -> tuple[PastTurn, ...]:
    """Return the turns in a Task's spec."""
    return tuple(PastTurn(turn["role"], turn["content"]) for turn in spec.get("history") or ())


def request_id_of(task: Mapping[str, Any]) -> str:
    """Return the id of the HTTP request that created a Task; without a valid one, the Task's UID.

    The annotation is a user's to write, and its value becomes the value of a header.
    """
    metadata = task["metadata"]
    given = (metadata.get("annotations") or {}).get(REQUEST_ID, "")
    return given if REQUEST_ID_PATTERN.fullmatch(given) else str(metadata["uid"])


def default_format(provider: str) -> ApiFormat:
    """Return the API format of a provider: Anthropic's messages, or OpenAI's chat completions."""
    return "messages" if provider == "anthropic" else "chat"


def full_name(body: Mapping[str, Any]) -> str:
    """Return ``namespace/name`` of an object."""
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
