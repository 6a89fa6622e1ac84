"""The leader's choice of the member that answers."""

import json
from collections.abc import Sequence
from typing import Final

from wegent_runner.agents.journal import steps_of
from wegent_runner.agents.model_calls import ModelCalls
from wegent_runner.agents.names import tool_names
from wegent_runner.agents.team_run import TeamRun
from wegent_runner.agents.voice import Voice
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.model_stream import Called, CallRequest, Done, Turn
from wegent_runner.engine.tools import ToolSpec
from wegent_runner.runs.items import MAIN, TEAM_SERVER, UNPLACED, Message, ToolCall, ToolResult

HAND_OVER: Final = "hand_over"
TRIES: Final = 2


async def routed(team: TeamRun) -> int:
    """Return the number of the member that the leader has picked. The choice is stored.

    Raises:
        CallFailed: the leader has failed, or has picked nobody.
        BudgetExceeded: a limit of the Task is reached.
        LogFull: the run is too long.
    """
    run, members = team.run, team.plan.members
    names = tool_names([member.bot.name for member in members])
    for step in steps_of(run.log.items, MAIN):
        chosen = picked_of([CallRequest("", it.name, it.text) for it in step.calls], "", names)
        if chosen is not None and step.results[0] is not None:
            return chosen
    spec = _hand_over(names, [member.about for member in members])
    calls = ModelCalls(run, team.plan.bot, team.before)
    messages: list[Turn | Called] = [Turn("user", team.plan.prompt)]
    for _ in range(TRIES):
        head = Message(*UNPLACED, "", bot=team.plan.bot.name, step=0, final=False)
        voice = Voice(run.log, head, live=False)
        done = await _asked(calls, voice, messages, spec)
        message = voice.finish("completed")
        if message is not None:
            run.keep(message)
        picked = picked_of(done.calls, message.text if message else "", names)
        if picked is not None:
            await _store(team, names[picked])
            return picked
        if message is not None:
            messages.append(Turn("assistant", message.text))
        messages.append(Turn("user", f"Call {HAND_OVER} with one of: {', '.join(names)}."))
    told = f"Bot {team.plan.bot.name} has picked no member of the Team"
    raise CallFailed("NoMemberPicked", told)


async def _asked(
    calls: ModelCalls, voice: Voice, messages: Sequence[Turn | Called], spec: ToolSpec
) -> Done:
    """Ask the leader for a call. Some servers refuse requests in which a call is required."""
    try:
        return await calls.answer(voice, messages, [spec], must_call=True)
    except CallFailed as error:
        if error.reason != "RequestRejected":
            raise
    return await calls.answer(voice, messages, [spec])


def picked_of(calls: Sequence[CallRequest], text: str, names: Sequence[str]) -> int | None:
    """Return the number of the picked member: by a call, or else by the one name in a text."""
    for call in calls:
        try:
            picked = json.loads(call.arguments)["member"]
        except (ValueError, RecursionError, KeyError, TypeError):
            continue
        if picked in names:
            return names.index(picked)
    named = [number for number, name in enumerate(names) if name in text]
    return named[0] if len(named) == 1 else None


async def _store(team: TeamRun, name: str) -> None:
    run = team.run
    call = run.log.add(
        ToolCall(
            *UNPLACED,
            json.dumps({"member": name}),
            TEAM_SERVER,
            HAND_OVER,
            repeatable=True,
            bot=team.plan.bot.name,
        )
    )
    result = run.log.add(ToolResult(*UNPLACED, f"handed over to {name}", call))
    await run.save(call, result)


def _hand_over(names: Sequence[str], about: Sequence[str]) -> ToolSpec:
    lines = "\n".join(f"- {name}: {it}" for name, it in zip(names, about, strict=True))
    return ToolSpec(
        HAND_OVER,
        f"Hands the user's request over to the member of your team that fits best.\n{lines}",
        {
            "type": "object",
            "properties": {"member": {"type": "string", "enum": list(names)}},
            "required": ["member"],
            "additionalProperties": False,
        },
        TEAM_SERVER,
        repeatable=True,
    )
