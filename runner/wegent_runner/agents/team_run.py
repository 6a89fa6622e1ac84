"""One run of a Team or a Bot: its plan, its conversation, and the tools of its Bots."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from wegent_runner.agents import skills
from wegent_runner.agents.loop import BotLoop
from wegent_runner.agents.run import Before, Run
from wegent_runner.agents.structured import OUTPUT_INVALID, OutputSchema
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.tools import Tool
from wegent_runner.plan.plan import BotPlan, Plan
from wegent_runner.runs.items import Message

OpenTools = Callable[[Run, BotPlan], AbstractAsyncContextManager[Sequence[Tool]]]
"""Connects the MCP servers of a Bot for the time of its work."""


@dataclass(frozen=True, slots=True)
class TeamRun:
    """The run of one Task by its plan.

    Attributes:
        run: The attempt.
        plan: The plan.
        before: The conversation before the prompt.
        open_tools: Connects the MCP servers of a Bot.
        schema: Schema of the answer of the run; None for a text.
    """

    run: Run
    plan: Plan
    before: Before
    open_tools: OpenTools
    schema: OutputSchema | None = None

    async def answer(
        self,
        bot: BotPlan,
        thread: str,
        prompt: str,
        *,
        before: Before | None = None,
        final: bool = True,
        live: bool = True,
        further: Sequence[Tool] = (),
    ) -> Message:
        """Return the answer of one Bot. The parameters are those of ``BotLoop``.

        ``further`` tools are offered besides those of the Bot's Skills and MCP servers.
        """
        listed = skills.instructions_of(bot.skills)
        if listed:
            bot = replace(bot, instructions=f"{bot.instructions}\n\n{listed}")
        async with self.open_tools(self.run, bot) as tools:
            loop = BotLoop(
                self.run,
                bot,
                thread=thread,
                final=final,
                live=live,
                before=before,
                tools=[*further, *skills.tools_of(bot.skills), *tools],
                schema=self.schema if final else None,
            )
            try:
                return await loop.answer(prompt)
            except CallFailed as error:
                if self.plan.mode == "solo" or error.reason == OUTPUT_INVALID:
                    raise
                raise CallFailed(error.reason, f"Bot {bot.name}: {error}") from error
