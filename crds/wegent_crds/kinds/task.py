"""Task: one piece of work for a Team or a Bot."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from wegent_crds.kinds.task_questions import ANSWER_FRAME_CHARACTERS, Answers
from wegent_crds.kinds.task_status import TaskStatus, phases_in_cel
from wegent_crds.phases import FINAL
from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import SERVED_COLUMN, Column, CustomResource
from wegent_crds.schema.extensions import (
    ATOMIC,
    INT32,
    INT64,
    Rule,
    Transition,
    defaulted,
    unchanged,
)
from wegent_crds.schema.fields import (
    PROMPT_MAX_CHARACTERS,
    LocalReference,
    Money,
    ObjectReference,
    Prompt,
)

WEEK_S: Final = 7 * 24 * 3600
YEAR_S: Final = 365 * 24 * 3600
WAIT_TIMEOUT_S: Final = WEEK_S
"""The default of ``waitTimeoutSeconds``, which the operator applies, so that a Task that nobody
notices doesn't wait for ever. It is no default of the schema, as Tasks that never wait don't need
it."""
HISTORY_MAX_TURNS: Final = 256
TURN_MAX_CHARACTERS: Final = 98304
"""Of instructions, and of one turn. All texts together leave no more beside a prompt."""
TEXT_MAX_CHARACTERS: Final = PROMPT_MAX_CHARACTERS
"""Of prompt, instructions and history together. With the longest result, a Task and its Tombstone
just fit into etcd, where one character can take six bytes."""


_TEXTS: Final = (
    "size(self.prompt) + size(self.?instructions.orValue(''))"
    " + (has(self.history) ? self.history.map(turn, size(turn.content)).sum() : 0)"
)
"""CEL for the number of characters of prompt, instructions and history."""

Text = Annotated[str, Field(min_length=1, max_length=TURN_MAX_CHARACTERS)]


JsonSchema = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            # One owner for the whole schema, so that managedFields doesn't list each field again.
            "x-kubernetes-map-type": "atomic",
        }
    ),
    Field(examples=[{"type": "object", "properties": {"answer": {"type": "string"}}}]),
]
"""A JSON Schema. An admission policy bounds its size, and the operator decides on the rest."""


class TaskTurn(Schema):
    """TaskTurn is one turn of a conversation."""

    role: Literal["user", "assistant"]
    """Author of the turn: user or assistant."""
    content: Text
    """Text of the turn, 1 to 98,304 characters."""


class TaskBudget(Schema):
    """TaskBudget limits the usage of a Task, which all its attempts share."""

    total_tokens: Annotated[int, Field(ge=1, le=10**12), INT64] | None = None
    """Maximum number of input and output tokens together, 1 to 1,000,000,000,000. Defaults to no
    limit."""
    cost_usd: (
        Annotated[
            Money,
            Field(examples=["0.50"]),
            Rule(
                cel="double(self) > 0.0",
                message="must be greater than 0",
                check=lambda text: Decimal(text) > 0,
            ),
        ]
        | None
    ) = Field(default=None, alias="costUSD")
    """Maximum cost of the model calls in US dollars, greater than 0: a string in decimal notation
    with at most 6 decimal places, such as "0.50". Calls whose price is not known don't count; that
    is so for every Model with a baseUrl. Defaults to no limit."""
    model_requests: Annotated[int, Field(ge=1, le=2**31 - 1), INT32] | None = None
    """Maximum number of requests to Models, failed ones included, at least 1. Defaults to no
    limit."""
    tool_calls: Annotated[int, Field(ge=1, le=2**31 - 1), INT32] | None = None
    """Maximum number of calls of tools, failed ones included, at least 1. Defaults to no limit."""


class TaskSpec(Schema):
    """TaskSpec describes a piece of work and the Team or Bot that does it.

    Prompt and references are immutable, because a runner may already have begun the work.
    """

    team_ref: ObjectReference | None = None
    """Reference to the Team that does the work. Exactly one of teamRef and botRef is required.
    Immutable. If the Team does not exist, ResolvedRefs and Ready are False with the reason
    RefNotFound."""
    bot_ref: ObjectReference | None = None
    """Reference to the Bot that does the work. Exactly one of teamRef and botRef is required.
    Immutable. If the Bot does not exist, ResolvedRefs and Ready are False with the reason
    RefNotFound."""
    model_ref: ObjectReference | None = None
    """Reference to the Model that all Bots of this Task call, in place of those that the Team and
    the Bots name. Immutable. Defaults to those; if a Bot has none, Ready is False with the reason
    ModelNotBound. If the Model does not exist, ResolvedRefs and Ready are False with the reason
    RefNotFound. If the Shell of a Bot does not support the Model's provider, Ready is False with
    the reason ProviderNotSupported. A Team or Bot of another namespace keeps a Model of its own:
    Ready is False with the reason ModelNotReplaceable."""
    prompt: Annotated[Prompt, Field(examples=["Review the open pull requests."])]
    """Instructions for the work, 1 to 131,072 characters. Immutable."""
    previous_task_ref: LocalReference | None = None
    """Reference to the Task whose conversation goes on: its transcript precedes the prompt. The
    Task is in the same namespace. Several Tasks may continue the same Task. Immutable. If the Task
    does not exist, ResolvedRefs and Ready are False with the reason RefNotFound; until it is
    Completed, Ready is False with the reason RefNotReady."""
    instructions: Text | None = None
    """Instructions for this Task that follow the system prompt of the Ghost, 1 to 98,304
    characters. Immutable. Defaults to none."""
    history: Annotated[list[TaskTurn], Field(max_length=HISTORY_MAX_TURNS), ATOMIC] | None = None
    """Turns of the conversation before the prompt, at most 256, for clients that keep the
    conversation themselves. They follow the transcript of the previous Task. Prompt, instructions
    and history together have at most 131,072 characters. Immutable. Defaults to none."""
    title: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Human-readable title of the work, 1 to 256 characters."""
    cancel: bool = False
    """Specifies whether to cancel the work. A Pending or Waiting Task becomes Cancelled at once;
    the runner of a Running Task is asked to stop. Can't be set after the end, nor back to
    false. Defaults to false."""
    timeout_seconds: Annotated[int, Field(ge=1, le=WEEK_S), INT32] | None = None
    """Duration in seconds from startTime until a Running Task fails, 1 to 604,800 (a week). It
    starts again with each attempt, also after an answer; the time of a wait does not count.
    Defaults to no limit."""
    wait_timeout_seconds: Annotated[int, Field(ge=1, le=YEAR_S), INT32] | None = None
    """Duration in seconds from waitingSince until a Waiting Task fails because a question has no
    answer, 1 to 31,536,000 (a year). It starts again with each wait. Defaults to 604,800 (a
    week)."""
    answers: Answers | None = None
    """Answers of people to the questions in status.waitingFor, at most 64. Only questions of a
    Waiting Task can be answered. An answer can't be changed or removed. Prompt, instructions,
    history and answers together have at most 131,072 characters, where each answer counts 32 more.
    Defaults to none."""
    budget: TaskBudget | None = None
    """Limits on tokens, cost, model requests and calls of tools. A Task that exceeds one is Failed,
    with a message that begins with BudgetExceeded. A running Task's limits can be changed. Defaults
    to no limits."""
    output_schema: JsonSchema | None = None
    """JSON Schema of the result, which is then JSON. An answer that is not valid is told to the
    LLM, which may try again twice; then the Task is Failed, with a message that begins with
    OutputInvalid. A schema has at most 32,768 bytes as JSON and 500 objects and lists, and
    refers to nothing outside itself. If it is not allowed, Ready is False with the reason
    OutputSchemaInvalid. Immutable. Defaults to none: the result is text."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=YEAR_S), INT32] | None = None
    """Duration in seconds from completionTime until the Task is deleted for good, without a
    Tombstone, 0 to 31,536,000 (a year). Defaults to no deletion."""

    rules = (
        Rule(
            cel="has(self.teamRef) != has(self.botRef)",
            message="exactly one of teamRef and botRef is required",
            check=lambda self: (self.team_ref is None) != (self.bot_ref is None),
        ),
        Rule(
            cel=f"{_TEXTS} <= {TEXT_MAX_CHARACTERS}",
            message="prompt, instructions and history together may have at most"
            f" {TEXT_MAX_CHARACTERS} characters",
            check=lambda self: self.text_characters <= TEXT_MAX_CHARACTERS,
        ),
        Rule(
            cel="!has(self.answers)"
            f" || {_TEXTS} + self.answers.map(answer, size(answer.?text.orValue(''))"
            f" + size(answer.?by.orValue('')) + {ANSWER_FRAME_CHARACTERS}).sum()"
            f" <= {TEXT_MAX_CHARACTERS}",
            message="prompt, instructions, history and answers together may have at most"
            f" {TEXT_MAX_CHARACTERS} characters; each answer counts {ANSWER_FRAME_CHARACTERS} more",
            check=lambda self: (
                not self.answers
                or self.text_characters + self.answer_characters <= TEXT_MAX_CHARACTERS
            ),
            field_path=".answers",
        ),
    )
    transitions = (
        Transition(
            cel="self.prompt == oldSelf.prompt",
            message="prompt can't be changed; create another Task",
            check=lambda before, after: before.prompt == after.prompt,
            field_path=".prompt",
        ),
        Transition(
            cel=unchanged("teamRef", "botRef"),
            message="teamRef and botRef can't be changed; create another Task",
            check=lambda before, after: (
                (before.team_ref, before.bot_ref) == (after.team_ref, after.bot_ref)
            ),
        ),
        Transition(
            cel=unchanged("modelRef"),
            message="modelRef can't be changed; create another Task",
            check=lambda before, after: before.model_ref == after.model_ref,
            field_path=".modelRef",
        ),
        Transition(
            cel=unchanged("previousTaskRef"),
            message="previousTaskRef can't be changed; create another Task",
            check=lambda before, after: before.previous_task_ref == after.previous_task_ref,
            field_path=".previousTaskRef",
        ),
        Transition(
            cel=unchanged("instructions", "history"),
            message="instructions and history can't be changed; create another Task",
            check=lambda before, after: (
                (before.instructions, before.history) == (after.instructions, after.history)
            ),
        ),
        Transition(
            cel=unchanged("outputSchema"),
            message="outputSchema can't be changed; create another Task",
            check=lambda before, after: before.output_schema == after.output_schema,
            field_path=".outputSchema",
        ),
        Transition(
            cel="self.cancel || !oldSelf.cancel",
            message="cancel can't be set back to false; create another Task",
            check=lambda before, after: after.cancel or not before.cancel,
            field_path=".cancel",
        ),
        Transition(
            cel="!has(oldSelf.answers) || (has(self.answers) && oldSelf.answers.all(before,"
            " self.answers.exists(after, after.id == before.id && after == before)))",
            message="an answer can't be changed or removed; a question is answered once",
            check=lambda before, after: all(
                answer in (after.answers or ()) for answer in before.answers or ()
            ),
            field_path=".answers",
        ),
    )

    @property
    def text_characters(self) -> int:
        """Number of characters of prompt, instructions and history together."""
        turns = sum(len(turn.content) for turn in self.history or ())
        return len(self.prompt) + len(self.instructions or "") + turns

    @property
    def answer_characters(self) -> int:
        """Number of characters that the answers count."""
        return sum(
            len(answer.text or "") + len(answer.by or "") + ANSWER_FRAME_CHARACTERS
            for answer in self.answers or ()
        )


class Task(CustomResource):
    """Task is one piece of work for a Team or a Bot."""

    columns = (
        Column("Phase", ".status.phase"),
        # A Task names a Team or a Bot, and the column shows the one that it names.
        Column("Team/Bot", ".spec['teamRef','botRef'].name"),
        Column("Title", ".spec.title", priority=1),
        Column("Holder", ".status.claim.holder", priority=1),
        Column("Attempts", ".status.attempts", "integer", priority=1),
        Column("Model", ".spec.modelRef.name", priority=1),
        Column("Previous", ".spec.previousTaskRef.name", priority=1),
        SERVED_COLUMN,
    )
    # With `.status.ready`, these are the eight selectable fields that a CRD may have.
    selectable = (
        ".status.phase",
        ".status.claim.holder",
        ".spec.teamRef.name",
        ".spec.teamRef.namespace",
        ".spec.botRef.name",
        ".spec.botRef.namespace",
        ".spec.previousTaskRef.name",
    )
    rules = (
        Rule(
            cel="!has(self.spec.previousTaskRef)"
            " || self.spec.previousTaskRef.name != self.metadata.name",
            message="previousTaskRef must not name the Task itself",
            check=lambda self: (
                self.spec.previous_task_ref is None
                or self.spec.previous_task_ref.name != self.metadata.resulting_name
            ),
            field_path=".spec.previousTaskRef.name",
        ),
    )
    transitions = (
        Transition(
            cel="!self.spec.cancel || oldSelf.spec.cancel"
            f" || !(oldSelf.status.phase in {phases_in_cel(FINAL)})",
            message="cancel can't be set after the Task has ended",
            check=lambda before, after: (
                not after.spec.cancel or before.spec.cancel or before.status.phase not in FINAL
            ),
            field_path=".spec.cancel",
        ),
        Transition(
            cel="!has(self.spec.answers) || self.spec.answers.all(answer,"
            " (has(oldSelf.spec.answers)"
            " && oldSelf.spec.answers.exists(before, before.id == answer.id))"
            " || (has(self.status.waitingFor)"
            " && self.status.waitingFor.exists(question, question.id == answer.id)))",
            message="only questions in status.waitingFor can be answered, while the Task is"
            " Waiting",
            check=lambda before, after: (
                {answer.id for answer in after.spec.answers or ()}
                <= {
                    known.id
                    for known in (*(before.spec.answers or ()), *(after.status.waiting_for or ()))
                }
            ),
            field_path=".spec.answers",
        ),
    )

    kind: Literal["Task"]
    """Name of the kind: Task."""
    spec: TaskSpec
    """Specification of the work. Prompt and references are immutable."""
    status: TaskStatus = Field(
        default_factory=TaskStatus,
        # The API server validates the default itself before it applies nested defaults.
        json_schema_extra=defaulted({"phase": "Pending", "attempts": 0, "releases": 0}),
    )
    """Most recently observed status of the work. Ignored when the object is created or updated:
    only the status subresource writes it."""
