"""Task: one piece of work, given to a Team or to a Bot."""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.common import ObjectReference, Prompt
from wegent_crds.custom_resource import Column, CustomResource
from wegent_crds.markers import INT32, Rule, defaulted
from wegent_crds.schema import Schema
from wegent_crds.status import Status, Timestamp

RESULT_MAX_CHARACTERS: Final = 65536
"""With the prompt, what one object can safely hold; longer results belong in files."""
WEEK_S: Final = 7 * 24 * 3600
YEAR_S: Final = 365 * 24 * 3600


class TaskSpec(Schema):
    """What is to be done, and by whom."""

    team_ref: ObjectReference | None = None
    """Team that does the work; this or botRef."""
    bot_ref: ObjectReference | None = None
    """Bot that does the work; this or teamRef."""
    prompt: Annotated[Prompt, Field(examples=["Review the open pull requests."])]
    """What is to be done: 1 to 131,072 characters."""
    title: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """What is to be done, in a few words for people."""
    cancel: bool = False
    """Whether the work is to be stopped, or not to be begun."""
    timeout_seconds: Annotated[int, Field(ge=1, le=WEEK_S), INT32] | None = None
    """After how many seconds of running the Task fails, up to a week; never when left out."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=YEAR_S), INT32] | None = None
    """How many seconds after its end the Task is deleted, up to a year; never when left out."""

    rules = (
        Rule(
            cel="has(self.teamRef) != has(self.botRef)",
            message="exactly one of teamRef and botRef is needed",
            check=lambda self: (self.team_ref is None) != (self.bot_ref is None),
        ),
    )


class TaskStatus(Status):
    """How the work goes, and what the operator has found out."""

    phase: Literal["Pending", "Running", "Completed", "Failed", "Cancelled"] = "Pending"
    """Where the work stands; Completed, Failed and Cancelled are the end."""
    start_time: Timestamp | None = None
    """When the work began."""
    completion_time: Timestamp | None = None
    """When the work ended."""
    result: Annotated[str, Field(max_length=RESULT_MAX_CHARACTERS)] | None = None
    """What came of it: up to 65,536 characters."""
    message: Annotated[str, Field(max_length=4096)] | None = None
    """Where the work stands, or why it failed, in words for people."""


class Task(CustomResource):
    """A Task is one piece of work given to a Team or a Bot."""

    columns = (
        Column("Phase", ".status.phase"),
        Column("Team", ".spec.teamRef.name"),
        Column("Bot", ".spec.botRef.name"),
        Column("Title", ".spec.title", priority=1),
    )

    kind: Literal["Task"]
    """Name of the kind."""
    spec: TaskSpec
    """What is to be done, and by whom."""
    status: TaskStatus = Field(default_factory=TaskStatus, json_schema_extra=defaulted({}))
    """How the work goes. Ignored when the object is created or updated: only the status
    subresource writes it."""
