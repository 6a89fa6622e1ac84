"""Team: Bots that work together."""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import Rule, map_by
from wegent_crds.schema.fields import Description, ListedReference, ReferableSpec

PROMPTS_MAX_CHARACTERS: Final = 131072
"""Of all members' prompts together, so that 64 long ones stay below etcd's limit."""


class TeamMember(ListedReference):
    """One Bot of the Team, and its part in it."""

    role: Literal["leader", "member"] = "member"
    """Its part: one Bot at most leads."""
    prompt: Annotated[str, Field(max_length=16384)] | None = None
    """What this Bot is told about its part, besides its Ghost's prompt."""


class TeamSpec(ReferableSpec):
    """Who is in the Team, and how they work together."""

    bots: Annotated[
        list[TeamMember],
        Field(min_length=1, max_length=64),
        map_by("namespace", "name"),
        Rule(
            cel="self.filter(bot, bot.role == 'leader').size() <= 1",
            message="one Bot at most may be the leader",
            check=lambda bots: sum(bot.role == "leader" for bot in bots) <= 1,
        ),
        Rule(
            cel=f"self.map(bot, size(bot.?prompt.orValue(''))).sum() <= {PROMPTS_MAX_CHARACTERS}",
            message=f"the prompts may hold {PROMPTS_MAX_CHARACTERS} characters altogether",
            check=lambda bots: sum(len(bot.prompt or "") for bot in bots) <= PROMPTS_MAX_CHARACTERS,
        ),
    ]
    """Bots of the Team, 1 to 64, each at most once; a pipeline runs them in this order."""
    collaboration_mode: Literal["solo", "pipeline", "route", "coordinate", "collaborate"] = "solo"
    """How they work together."""
    description: Description | None = None
    """What the Team is for, in words for people."""


class Team(CustomResource):
    """A Team joins Bots that work together; a Task is given to it."""

    columns = (
        Column("Mode", ".spec.collaborationMode"),
        Column("Leader", '.spec.bots[?(@.role=="leader")].name'),
        Column("Description", ".spec.description", priority=1),
    )
    selectable = (".spec.collaborationMode",)

    kind: Literal["Team"]
    """Name of the kind."""
    spec: TeamSpec
    """Who is in the Team, and how they work together."""
