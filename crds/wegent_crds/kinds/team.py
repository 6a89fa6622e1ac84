"""Team: several Bots that work together on Tasks."""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import SERVED_COLUMN, Column, CustomResource
from wegent_crds.schema.extensions import Rule, map_by
from wegent_crds.schema.fields import Description, ListedReference, ObjectReference, ReferableSpec

PROMPTS_MAX_CHARACTERS: Final = 131072
"""Of all members' prompts together. 64 of the longest prompts would exceed etcd's limit."""


CollaborationMode = Literal["solo", "pipeline", "route", "coordinate", "collaborate"]
ContextPassing = Literal["none", "original", "previous", "all"]


class TeamMember(ListedReference):
    """TeamMember is a reference to one Bot of the Team, with the Bot's role."""

    role: Literal["leader", "member"] = "member"
    """Role of the Bot in the Team. At most one Bot is the leader. Defaults to member."""
    prompt: Annotated[str, Field(max_length=16384)] | None = None
    """Instructions for the Bot in this Team, in addition to its Ghost's prompt, at most 16,384
    characters. The prompts of all Bots together have at most 131,072 characters."""
    model_ref: ObjectReference | None = None
    """Reference to the Model that the Bot calls in this Team, in place of its own. Defaults to the
    Bot's own. If the Model does not exist, ResolvedRefs and Ready are False with the reason
    RefNotFound. If the Bot's Shell does not support the Model's provider, Ready is False with the
    reason ProviderNotSupported. A Bot of another namespace keeps a Model of its own: Ready is False
    with the reason ModelNotReplaceable."""
    # No defaults in the schema: a manifest without them would otherwise differ from the stored
    # list, so that each client-side apply of it is a change.
    context_passing: ContextPassing | None = None
    """Input of the Bot in a pipeline, after the first Bot, whose input is the Task's prompt:
    previous (the answer of the Bot before it), original (the Task's prompt), all (the Task's prompt
    and the answers of all Bots before it) or none (only its prompt in this Team, which is required
    then). Allowed only in a pipeline. Defaults to previous."""
    require_confirmation: bool | None = None
    """Specifies whether a pipeline waits for a person's confirmation after the Bot's answer. True
    is allowed only in a pipeline. Defaults to false."""

    rules = (
        Rule(
            cel="self.?contextPassing.orValue('') != 'none' || size(self.?prompt.orValue('')) > 0",
            message="contextPassing none requires prompt",
            check=lambda self: self.context_passing != "none" or bool(self.prompt),
            field_path=".contextPassing",
        ),
    )


class TeamSpec(ReferableSpec):
    """TeamSpec describes the members of a Team and their collaboration."""

    bots: Annotated[
        list[TeamMember],
        Field(min_length=1, max_length=64),
        map_by("namespace", "name"),
        Rule(
            cel="self.filter(bot, bot.role == 'leader').size() <= 1",
            message="at most one Bot may be the leader",
            check=lambda bots: sum(bot.role == "leader" for bot in bots) <= 1,
        ),
        Rule(
            cel=f"self.map(bot, size(bot.?prompt.orValue(''))).sum() <= {PROMPTS_MAX_CHARACTERS}",
            message=f"all prompts together may have at most {PROMPTS_MAX_CHARACTERS} characters",
            check=lambda bots: sum(len(bot.prompt or "") for bot in bots) <= PROMPTS_MAX_CHARACTERS,
        ),
    ]
    """References to the Bots of the Team, 1 to 64, each Bot once. In a pipeline, the Bots work in
    this order. If a Bot does not exist, ResolvedRefs and Ready are False with the reason
    RefNotFound."""
    collaboration_mode: CollaborationMode = "solo"
    """Mode of collaboration of the Bots: solo, pipeline, route, coordinate or collaborate. If no
    runner serves it, the Team and its Tasks have the condition Served with the status False and the
    reason ModeNotServed. Defaults to solo."""
    description: Description | None = None
    """Human-readable description of the Team, at most 1,024 characters."""

    rules = (
        Rule(
            cel="self.collaborationMode == 'pipeline'"
            " || !self.bots.exists(bot, has(bot.contextPassing)"
            " || bot.?requireConfirmation.orValue(false))",
            message="contextPassing and requireConfirmation require collaborationMode pipeline",
            check=lambda self: (
                self.collaboration_mode == "pipeline"
                or not any(bot.context_passing or bot.require_confirmation for bot in self.bots)
            ),
            field_path=".bots",
        ),
    )


class Team(CustomResource):
    """Team is a group of Bots that work together on Tasks."""

    columns = (
        Column("Mode", ".spec.collaborationMode"),
        Column("Leader", '.spec.bots[?(@.role=="leader")].name', priority=1),
        Column("Description", ".spec.description", priority=1),
        SERVED_COLUMN,
    )
    selectable = (".spec.collaborationMode",)

    kind: Literal["Team"]
    """Name of the kind: Team."""
    spec: TeamSpec
    """Specification of the Team: its members and their collaboration."""
