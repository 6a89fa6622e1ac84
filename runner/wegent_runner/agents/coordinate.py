"""Members of a Team as tools of its leader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wegent_runner.agents.journal import NOT_CALLED, steps_of
from wegent_runner.agents.loop import WorkTool
from wegent_runner.agents.names import tool_names
from wegent_runner.agents.team_run import TeamRun
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.tools import ToolOutput, ToolSpec
from wegent_runner.plan.plan import MemberPlan
from wegent_runner.runs.items import MAIN, TEAM_SERVER, ToolCall

MAX_MEMBER_CALLS: Final = 64
"""Calls of members in one run."""
PARAMETERS: Final = {
    "type": "object",
    "properties": {
        "task": {
            "type": "string",
            "description": "The task, with all that the member has to know: it sees nothing else.",
        }
    },
    "required": ["task"],
    "additionalProperties": False,
}


def member_tools(team: TeamRun) -> list[WorkTool]:
    """Return a tool for each member of a Team."""
    names = tool_names([member.bot.name for member in team.plan.members])
    return [
        MemberTool(team, member, name)
        for member, name in zip(team.plan.members, names, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class MemberTool:
    """A member as a tool. Its work is a thread of the run, which is named by the call."""

    team: TeamRun
    member: MemberPlan
    name: str

    @property
    def spec(self) -> ToolSpec:
        """The tool as the LLM is told of it. What a member has done already is not done again."""
        about = self.member.about or f"Bot {self.member.bot.name}."
        return ToolSpec(
            self.name, f"Gives a task to a member of your team. {about}", PARAMETERS, TEAM_SERVER,
            repeatable=True,
        )  # fmt: skip

    def has_begun(self, call: ToolCall) -> bool:
        """Return True if the member has written or called something for a call."""
        return bool(steps_of(self.team.run.log.items, thread_of(call)))

    async def work(self, call: ToolCall, arguments: Mapping[str, Any]) -> ToolOutput:
        """Give a task to the member, and return its answer. A failure of the member is told."""
        task = arguments.get("task")
        if not isinstance(task, str) or not task.strip():
            return ToolOutput("task must be a text", failed=True)
        run = self.team.run
        calls = [
            it for it in run.log.items if isinstance(it, ToolCall) and it.server == TEAM_SERVER
        ]
        if call.index not in [it.index for it in calls[:MAX_MEMBER_CALLS]]:
            told = f"{NOT_CALLED}members may be called {MAX_MEMBER_CALLS} times in one run"
            return ToolOutput(told, failed=True)
        try:
            message = await self.team.answer(
                self.member.bot, thread_of(call), task, final=False, live=False
            )
        except CallFailed as error:
            run.notice(f"Bot {self.member.bot.name} has failed: {error}")
            return ToolOutput(f"the member has failed: {error}", failed=True)
        return ToolOutput(message.text)


def thread_of(call: ToolCall) -> str:
    """Return the thread of a member's work for a call."""
    return f"{MAIN}/{call.index}"
