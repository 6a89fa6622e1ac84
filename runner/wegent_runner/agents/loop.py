"""The loop of one Bot: its Model is called, and the tools that it asks for, until it answers."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

from wegent_runner.agents.journal import (
    NOT_CALLED,
    Step,
    may_be_made,
    next_of,
    questions_of,
    steps_of,
)
from wegent_runner.agents.model_calls import ModelCalls
from wegent_runner.agents.questions import UNKNOWN, asked_of, denied
from wegent_runner.agents.run import Before, Run, Waits
from wegent_runner.agents.structured import (
    CORRECTIONS,
    OUTPUT_INVALID,
    OutputSchema,
    Problems,
)
from wegent_runner.agents.voice import Voice
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.model_stream import Called, CallRequest, Turn
from wegent_runner.engine.tools import Tool, ToolOutput, ToolSpec, shortened
from wegent_runner.plan.plan import BotPlan
from wegent_runner.runs.items import (
    OWN_SERVERS,
    UNPLACED,
    Message,
    Question,
    QuestionKind,
    ResultStatus,
    Status,
    ToolCall,
    ToolResult,
)
from wegent_runner.runs.text import storable
from wegent_runner.telemetry.spans import TOOL_FAILED, tool_span

MAX_STEPS: Final = 64
"""Calls of a Model by one Bot in a run. A model that calls tools for ever is stopped."""
MAX_CALLS: Final = 64
"""Calls of tools in one step. Those beyond are told to be too many, and are not made."""
CALLS_AT_ONCE: Final = 16
NO_SERVER: Final = ""


@runtime_checkable
class WorkTool(Protocol):
    """A tool whose work has items of its own in the run: another Bot."""

    @property
    def spec(self) -> ToolSpec:
        """The tool as the LLM is told of it."""

    def has_begun(self, call: ToolCall) -> bool:
        """Return True if a part of the work of a call is stored."""

    async def work(self, call: ToolCall, arguments: Mapping[str, Any]) -> ToolOutput:
        """Do the work of a call. The part of it that is stored is not done again."""


AnyTool = Tool | WorkTool


class BotLoop:
    """The part of one Bot in a run.

    Args:
        run: The run.
        bot: The Bot.
        thread: The name of the part. All items of it bear that.
        final: True if its answer is the run's.
        live: True if its texts are streamed. One part at a time may be.
        before: The conversation before the run.
        tools: The tools that the Bot may call.
        schema: The schema of its answer, which is JSON then, and not streamed.
    """

    def __init__(
        self,
        run: Run,
        bot: BotPlan,
        *,
        thread: str,
        final: bool,
        live: bool,
        before: Before | None = None,
        tools: Sequence[AnyTool] = (),
        schema: OutputSchema | None = None,
    ) -> None:
        self._run = run
        self._bot = bot
        self._thread = thread
        self._final = final
        self._live = live and schema is None
        self._schema = schema
        if schema is not None:
            instructions = f"{bot.instructions}\n\n{schema.instructions()}"
            bot = replace(bot, instructions=instructions)
        form = None if schema is None else schema.form
        self._calls = ModelCalls(run, bot, before or Before(), form)
        self._tools = {tool.spec.name: tool for tool in tools}
        self._at_once = asyncio.Semaphore(CALLS_AT_ONCE)

    async def answer(self, prompt: str) -> Message:
        """Return the Bot's answer to a prompt. It is stored with the next items of the run.

        Raises:
            CallFailed: no Model has answered, or tools were called without an end.
            BudgetExceeded: a limit of the Task is reached.
            LogFull: the run is too long.
            Waits: people have to answer first.
        """
        while True:
            steps = steps_of(self._run.log.items, self._thread)
            message = steps[-1].message if steps and not steps[-1].calls else None
            if message is not None and not self._is_wrong(message):
                return message
            if steps and steps[-1].open_calls:
                await self._complete(steps[-1])
                continue
            if len(steps) >= MAX_STEPS:
                told = f"Bot {self._bot.name} called tools in {MAX_STEPS} steps without an answer"
                raise CallFailed("TooManySteps", told)
            await self._step(len(steps), [Turn("user", prompt), *await self._told(steps)])

    def _is_wrong(self, message: Message) -> bool:
        """Return True if a text is not the answer, because it is not valid by the schema."""
        return self._schema is not None and not message.final

    async def _checked(self, message: Message) -> Message:
        """Add a text to the log: as the answer if it is valid, and else as one that is wrong."""
        assert self._schema is not None  # noqa: S101 - the caller has looked
        result = await asyncio.to_thread(self._schema.check, message.text)
        if isinstance(result, str):
            message = replace(message, text=result, status="completed")
        else:
            message = replace(message, final=False)
        return self._run.log.add(message)

    async def _told(self, steps: Sequence[Step]) -> list[Turn | Called]:
        """Return the steps as the LLM is told them. Wrong answers are followed by corrections.

        Raises:
            CallFailed: there are too many wrong answers.
        """
        told: list[Turn | Called] = []
        wrong = 0
        for step in steps:
            if step.calls:
                told.append(step.told())
                continue
            assert step.message is not None  # noqa: S101 - a step has a text or calls
            assert self._schema is not None  # noqa: S101 - else the text is the answer
            problems = await asyncio.to_thread(self._schema.check, step.message.text)
            wrong += 1
            if wrong > CORRECTIONS:
                raise CallFailed(OUTPUT_INVALID, f"{OUTPUT_INVALID}: {problems}")
            if isinstance(problems, Problems):
                correction = self._schema.correction(problems)
                told += [Turn("assistant", step.message.text), Turn("user", correction)]
        return told

    async def _step(self, number: int, messages: Sequence[Turn | Called]) -> None:
        """Call the Model once. Its text and its calls are added to the log."""
        head = Message(
            *UNPLACED,
            "",
            bot=self._bot.name,
            thread=self._thread,
            step=number,
            final=self._final,
        )
        voice = Voice(self._run.log, head, self._live)
        specs = [tool.spec for tool in self._tools.values()]
        done = await self._calls.answer(voice, messages, specs)
        truncated = done.truncated and not done.calls
        status: Status = "incomplete" if truncated else "completed"
        if self._schema is not None and not done.calls:
            text = replace(head, text=voice.taken(), status=status)
            message: Message | None = await self._checked(text)
        else:
            message = voice.finish(status)
        if message is not None:
            self._run.keep(message)
            if self._is_wrong(message):  # its correction is the next call: this one is not repeated
                await self._run.save()
        if done.calls:
            calls = [self._begun(call, number) for call in done.calls]
            await self._run.save(*calls)

    def _begun(self, call: CallRequest, step: int) -> ToolCall:
        tool = self._tools.get(call.name)
        return self._run.log.add(
            ToolCall(
                *UNPLACED,
                call.arguments,
                tool.spec.server if tool else NO_SERVER,
                call.name,
                repeatable=tool is None or tool.spec.repeatable,
                held=tool is not None and tool.spec.needs_approval,
                bot=self._bot.name,
                thread=self._thread,
                step=step,
            )
        )

    async def _complete(self, step: Step) -> None:
        """Make the calls of a step that have no result.

        Raises:
            Waits: people have to approve some of them. All others have been made.
        """
        late = [call for call in step.calls[MAX_CALLS:] if call in step.open_calls]
        told = f"{NOT_CALLED}at most {MAX_CALLS} calls may be made at once"
        for call in late:
            self._run.keep(self._run.log.add(ToolResult(*UNPLACED, told, call, "failed")))
        done = await asyncio.gather(
            *(self._one(call) for call in step.open_calls if call not in late),
            return_exceptions=True,
        )
        failures = [it for it in done if isinstance(it, BaseException)]
        waits = [it for it in failures if isinstance(it, Waits)]
        for failure in failures:
            if not isinstance(failure, Waits):
                raise failure
        if waits:
            raise Waits([question for it in waits for question in it.questions])

    async def _one(self, call: ToolCall) -> None:
        """Make one call, or ask people about it."""
        tool = self._tools.get(call.name)
        if tool is not None and tool.spec.server == call.server:
            await self._permitted(call, tool)
            return
        # A tool of this name may be another server's by now, and nobody has asked for that one.
        asked = questions_of(self._run.log.items, call, self._thread)
        if not call.repeatable and may_be_made(call, asked, self._run.claim.attempt):
            told = f"{UNKNOWN}, and the tool is not there any more"
        else:
            names = ", ".join(self._tools) or "none"
            told = f"there is no tool of this name; the tools are: {names}"
        await self._end(call, ToolOutput(told, failed=True))

    async def _permitted(self, call: ToolCall, tool: AnyTool) -> None:
        approver = self._approver(tool)
        asked = questions_of(self._run.log.items, call, self._thread)
        if asked and asked[-1][1] is None:
            question, _ = asked[-1]
            given = self._run.answers.get(question.id)
            # If others approve by now, an approval is not taken up, as no permission comes of it.
            if question.approver == approver or (given and given.decision != "approve"):
                asked[-1] = (question, await self._run.answer_to(question))
        match next_of(
            call,
            asked,
            self._run.claim.attempt,
            needs_approval=tool.spec.needs_approval,
            approver=approver,
        ):
            case "run":
                async with self._at_once:
                    output = await self._made(call, tool)
                await self._end(call, output)
            case "deny":
                _, answer = asked[-1]
                told = denied(asked[-1][0], "" if answer is None else answer.text)
                await self._end(call, ToolOutput(told, failed=True), denied=True)
            case "wait":
                raise Waits([asked[-1][0]])
            case "ask approval":
                raise Waits([await self._ask(call, "approval", approver)])
            case "ask repeat":
                raise Waits([await self._ask(call, "repeat", approver)])

    async def _made(self, call: ToolCall, tool: AnyTool) -> ToolOutput:
        try:
            arguments = json.loads(call.text or "{}")
        except (ValueError, RecursionError):
            return ToolOutput(f"{NOT_CALLED}the arguments are not valid JSON", failed=True)
        if not isinstance(arguments, dict):
            return ToolOutput(f"{NOT_CALLED}the arguments must be a JSON object", failed=True)
        if not (isinstance(tool, WorkTool) and tool.has_begun(call)):
            self._run.meter.begin_tool_call()
            self._run.observer.metrics.tool_calls.labels(server_label(call.server)).inc()
        with tool_span(
            call.name,
            server=call.server,
            call=call.id,
            bot=self._bot.name,
            is_own=call.server in OWN_SERVERS,
            pause=Waits,
        ) as fail:
            if isinstance(tool, WorkTool):
                output = await tool.work(call, arguments)
            else:
                output = await tool.call(arguments)
            if output.failed:
                fail(TOOL_FAILED)
            return output

    async def _end(self, call: ToolCall, output: ToolOutput, *, denied: bool = False) -> None:
        text = shortened(storable(output.text))
        status: ResultStatus = "completed"
        if output.failed:
            status = "denied" if denied else "failed"
        await self._run.save(self._run.log.add(ToolResult(*UNPLACED, text, call, status)))

    def _approver(self, tool: AnyTool) -> str:
        """Return the namespace whose editors alone can approve; empty for that of the Task."""
        held = tool.spec.needs_approval and tool.spec.approver != self._run.claim.namespace
        return tool.spec.approver if held else ""

    async def _ask(self, call: ToolCall, kind: QuestionKind, approver: str) -> Question:
        words = asked_of(call, kind, approver)
        question = self._run.log.add(
            Question(*UNPLACED, words, kind, call, self._bot.name, self._thread, approver)
        )
        await self._run.save(question)
        return question


def server_label(server: str) -> str:
    """Return the label of a metric: the runner's own tools by name, and ``mcp`` for all others."""
    return OWN_SERVERS.get(server, "mcp")
