"""One run of a Team or a Bot: its plan, its conversation, and the tools of its Bots."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from wegent_runner.agents import skills
from wegent_runner.agents.journal import steps_of
from wegent_runner.agents.loop import AnyTool, BotLoop
from wegent_runner.agents.mcp.client import McpClient, RequiredServerDown
from wegent_runner.agents.run import Before, Run
from wegent_runner.agents.structured import OUTPUT_INVALID, OutputSchema
from wegent_runner.engine.failures import CallFailed
from wegent_runner.plan.plan import BotPlan, Plan
from wegent_runner.runs.items import Message


@dataclass(frozen=True, slots=True)
class TeamRun:
    """The run of one Task by its plan.

    Attributes:
        run: The attempt.
        plan: The plan.
        before: The conversation before the prompt.
        mcp: Connects the MCP servers of Bots.
        schema: Schema of the answer of the run; None for a text.
    """

    run: Run
    plan: Plan
    before: Before
    mcp: McpClient
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
        further: Sequence[AnyTool] = (),
    ) -> Message:
        """Return the answer of one Bot. The parameters are those of ``BotLoop``.

        ``further`` tools are offered besides those of the Bot's Skills and MCP servers.
        """
        steps = steps_of(self.run.log.items, thread)
        said = steps[-1].message if steps and not steps[-1].calls else None
        if said is not None and said.final == final:
            return said
        listed = skills.instructions_of(bot.skills)
        if listed:
            bot = replace(bot, instructions=f"{bot.instructions}\n\n{listed}")
        own = [*further, *skills.tools_of(bot.skills)]
        async with self._tools(bot, own) as tools:
            loop = BotLoop(
                self.run,
                bot,
                thread=thread,
                final=final,
                live=live,
                before=before,
                tools=tools,
                schema=self.schema if final else None,
            )
            try:
                return await loop.answer(prompt)
            except CallFailed as error:
                if self.plan.mode == "solo" or error.reason == OUTPUT_INVALID:
                    raise
                raise CallFailed(error.reason, f"Bot {bot.name}: {error}") from error

    @asynccontextmanager
    async def _tools(
        self, bot: BotPlan, own: Sequence[AnyTool]
    ) -> AsyncIterator[Sequence[AnyTool]]:
        """Yield the tools of a Bot: ``own`` ones, and those of its MCP servers.

        Raises:
            CallFailed: a required server is down.
        """
        if not bot.mcp_servers:
            yield own
            return
        toolset = self.mcp.toolset(
            bot.mcp_servers,
            namespace=self.run.claim.namespace,
            reserved=[tool.spec.name for tool in own],
        )
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(toolset)
            except RequiredServerDown as error:
                raise CallFailed(error.reason, str(error)) from error
            for notice in toolset.notices:
                self.run.notice(notice)
            yield [*own, *toolset.tools]
