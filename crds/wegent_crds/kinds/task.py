"""Task: one piece of work, given to a Team or to a Bot."""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.kinds.task_status import TaskStatus
from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import INT32, Rule, Transition, defaulted, unchanged
from wegent_crds.schema.fields import ObjectReference, Prompt

WEEK_S: Final = 7 * 24 * 3600
YEAR_S: Final = 365 * 24 * 3600


class TaskSpec(Schema):
    """What is to be done, and by whom.

    The work itself can't be changed once the Task is there, for somebody may have begun it.
    """

    team_ref: ObjectReference | None = None
    """Team that does the work; this or botRef. Can't be changed."""
    bot_ref: ObjectReference | None = None
    """Bot that does the work; this or teamRef. Can't be changed."""
    prompt: Annotated[Prompt, Field(examples=["Review the open pull requests."])]
    """What is to be done: 1 to 131,072 characters. Can't be changed."""
    title: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """What is to be done, in a few words for people."""
    cancel: bool = False
    """Whether the work is to be stopped, or not to be begun. Can't be taken back."""
    timeout_seconds: Annotated[int, Field(ge=1, le=WEEK_S), INT32] | None = None
    """How many seconds after startTime the Task fails, up to a week; never when left out."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=YEAR_S), INT32] | None = None
    """How many seconds after its end the Task is deleted for good, past the trash, up to a year;
    never when left out."""

    rules = (
        Rule(
            cel="has(self.teamRef) != has(self.botRef)",
            message="exactly one of teamRef and botRef is needed",
            check=lambda self: (self.team_ref is None) != (self.bot_ref is None),
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
            cel="self.cancel || !oldSelf.cancel",
            message="cancel can't be taken back; create another Task",
            check=lambda before, after: after.cancel or not before.cancel,
            field_path=".cancel",
        ),
    )


class Task(CustomResource):
    """A Task is one piece of work given to a Team or a Bot."""

    columns = (
        Column("Phase", ".status.phase"),
        Column("Team", ".spec.teamRef.name"),
        Column("Bot", ".spec.botRef.name"),
        Column("Title", ".spec.title", priority=1),
        Column("Holder", ".status.claim.holder", priority=1),
        Column("Attempts", ".status.attempts", "integer", priority=1),
    )
    # Seven of the eight that a CRD may have: one is left for a reference that is still to come.
    selectable = (
        ".status.phase",
        ".status.claim.holder",
        ".spec.teamRef.name",
        ".spec.teamRef.namespace",
        ".spec.botRef.name",
        ".spec.botRef.namespace",
    )

    kind: Literal["Task"]
    """Name of the kind."""
    spec: TaskSpec
    """What is to be done, and by whom."""
    status: TaskStatus = Field(
        default_factory=TaskStatus,
        # The API server tries the rules on the default itself, before it fills that in.
        json_schema_extra=defaulted({"phase": "Pending", "attempts": 0}),
    )
    """How the work goes. Ignored when the object is created or updated: only the status
    subresource writes it."""
