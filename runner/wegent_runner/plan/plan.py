"""The plan of a run, as plain values. Making it needs no cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from wegent_crds.conditions import (
    ConditionType,
    StoredCondition,
    conditions_of,
    find_condition,
)
from wegent_crds.schema.mcp_servers import Transport
from wegent_crds.well_known import REQUEST_ID
from wegent_runner.runs.used import UsedObject, in_order, short_entries, used_object

ApiFormat = Literal["chat", "responses", "messages"]
REQUEST_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Form of a request id, as the API proxy takes it from clients."""
SERVED_SHELLS: Final = frozenset({"Chat"})
Mode = Literal["solo", "pipeline", "route", "coordinate", "collaborate"]
ContextPassing = Literal["none", "original", "previous", "all"]


class NotServed(Exception):  # noqa: N818 - names the verdict
    """This runner doesn't run such a Task. Another one may."""


class NotSettled(Exception):  # noqa: N818 - names the verdict
    """The operator has no verdict yet on an object as it is now, or it isn't Ready."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The place of an API key, or of the value of a header."""

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
        used: The same, for the record of the run.
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
    used: UsedObject | None = None


@dataclass(frozen=True, slots=True)
class McpServerPlan:
    """An MCP server with the tools of a Bot.

    Attributes:
        name: Name in ``spec.mcpServers`` of the Ghost or Skill, unique in the Bot.
        url: None for stdio.
        headers: Headers of each request, by name.
        headers_from: Headers of each request whose values are in Secrets, by name.
        allowed_tools: Names of the tools to offer; None for all.
        require_approval: Names of the tools whose calls a person must approve; ``*`` for all.
        approver: Namespace whose editors alone can approve; empty for that of the Task.
        required: True if the run fails without the server.
        timeout_s: Seconds for the connection, and for each call.
        command: None unless the transport is stdio.
        env: Environment variables of the command, by name.
    """

    name: str
    transport: Transport
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    headers_from: Mapping[str, SecretKey] = field(default_factory=dict)
    allowed_tools: tuple[str, ...] | None = None
    require_approval: tuple[str, ...] = ()
    approver: str = ""
    required: bool = False
    timeout_s: float = 30.0
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SkillPlan:
    """A Skill of a Bot.

    Attributes:
        name: Name of the Skill, or ``namespace/name`` if another Skill of the Bot has that name.
        description: Its purpose, which the LLM always sees.
        content: Its instructions, which the LLM reads when it needs them; may be empty.
        files: Texts that the content refers to, by relative path.
    """

    name: str
    description: str
    content: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BotPlan:
    """A Bot of the run.

    Attributes:
        name: ``namespace/name`` of the Bot.
        instructions: System prompt of its Ghost, the Team's prompt for it, and the Task's
            instructions.
        models: The Bot's Model, and those to fall back to, in order.
        mcp_servers: Servers of its Ghost, then those that the Ghost's Skills bring.
        skills: Skills of its Ghost, in the Ghost's order.
        used: The objects that the plan is made of, without Models to fall back to.
    """

    name: str
    instructions: str
    models: tuple[ModelPlan, ...]
    mcp_servers: tuple[McpServerPlan, ...] = ()
    skills: tuple[SkillPlan, ...] = ()
    used: tuple[UsedObject, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """A member of a Team.

    Attributes:
        about: Description of its Bot, for the leader; may be empty.
        prompt: The Team's prompt for it. It is the input of a stage whose ``context`` is none.
        context: What a stage of a pipeline is given of the others.
        requires_confirmation: True if a person must confirm the stage.
    """

    bot: BotPlan
    about: str = ""
    prompt: str = ""
    context: ContextPassing = "previous"
    requires_confirmation: bool = False


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
        bot: The Bot that leads, or works alone. In a pipeline, the first.
        previous: Name of the Task whose conversation goes on, in the Task's namespace.
        history: Turns between the previous Task's transcript and the prompt.
        request_id: Id that all calls of LLMs bear.
        output_schema: JSON Schema of the result; None for a text.
        mode: How the Bots of a Team work together.
        members: In a pipeline, all Bots in their order; else those that don't lead. None in the
            mode solo.
        team: The Team, if the Task names one.
    """

    prompt: str
    bot: BotPlan
    request_id: str
    previous: str | None = None
    history: tuple[PastTurn, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    mode: Mode = "solo"
    members: tuple[MemberPlan, ...] = ()
    team: UsedObject | None = None

    @property
    def used(self) -> tuple[UsedObject, ...]:
        """The objects that the plan is made of, each once, without Models to fall back to."""
        bots = (self.bot, *(it.bot for it in self.members))
        team = (self.team,) if self.team else ()
        return in_order([*team, *(used for bot in bots for used in bot.used)])

    @property
    def ran(self) -> list[dict[str, Any]]:
        """Entries of ``status.ran``."""
        return short_entries(it.version for it in self.used)


def leader_of(team: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the member of a Team that leads: the leader, or else the first."""
    bots = team["spec"]["bots"]
    leader: Mapping[str, Any] = next((it for it in bots if it.get("role") == "leader"), bots[0])
    return leader


def members_of(team: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the members of a Team that have work besides the leader's, in their order.

    In a pipeline, these are all members. A solo Team has none.
    """
    bots: list[Mapping[str, Any]] = team["spec"]["bots"]
    match mode_of(team):
        case "solo":
            return []
        case "pipeline":
            return bots
        case _:
            leader = leader_of(team)
            return [bot for bot in bots if bot is not leader]


def mode_of(team: Mapping[str, Any]) -> Mode:
    """Return the mode of a Team."""
    mode: Mode = team["spec"].get("collaborationMode", "solo")
    return mode


def member_plan(member: Mapping[str, Any], bot: Mapping[str, Any], plan: BotPlan) -> MemberPlan:
    """Return the plan of a member, from its entry in the Team and its Bot."""
    return MemberPlan(
        plan,
        about=bot["spec"].get("description") or "",
        prompt=member.get("prompt") or "",
        context=member.get("contextPassing") or "previous",
        requires_confirmation=bool(member.get("requireConfirmation")),
    )


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
    mcp_servers: tuple[McpServerPlan, ...] = (),
    skills: tuple[SkillPlan, ...] = (),
    used: tuple[UsedObject, ...] = (),
) -> BotPlan:
    """Return the plan of a Bot with its parts, which are the objects ``used``.

    ``further`` instructions follow the Ghost's: those of the Team for this Bot, and of the Task.
    """
    instructions = [ghost["spec"]["systemPrompt"], *filter(None, further)]
    return BotPlan(
        name=full_name(bot),
        instructions="\n\n".join(instructions),
        models=tuple(map(model_plan, models)),
        mcp_servers=mcp_servers,
        skills=skills,
        used=used,
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
        used=used_object("models", model),
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
