"""The modes of a Team: how its Bots work together on one Task.

::

    solo         the leader answers
    pipeline     one Bot after the other; the last one answers
    route        the leader picks a member, and the member answers
    coordinate   the members are tools of the leader, and the leader answers
    collaborate  all members work on the prompt side by side, and the leader answers

Each Bot has a thread of the run. Members don't have Teams of their own.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Final

from wegent_runner.agents.coordinate import member_tools
from wegent_runner.agents.journal import questions_of
from wegent_runner.agents.prompts import prompt_of_answers, prompt_of_stage, remark_of
from wegent_runner.agents.route import routed
from wegent_runner.agents.run import Before, Waits
from wegent_runner.agents.team_run import TeamRun
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.model_stream import Turn
from wegent_runner.plan.plan import MemberPlan, Mode
from wegent_runner.runs.items import MAIN, UNPLACED, Answer, Message, Question

AT_ONCE: Final = 8
"""Members that work side by side."""
NO_TEXT: Final = "(no text)"
"""Stands for an empty answer, which providers refuse in a conversation."""


class Denied(Exception):  # noqa: N818 - names the event
    """A person has stopped a pipeline. The message says after which Bot."""


async def answer_of(team: TeamRun) -> Message:
    """Return the answer of a run. It is stored with the end of the run.

    Raises:
        CallFailed: a Bot without which there is no answer has failed.
        BudgetExceeded: a limit of the Task is reached.
        Denied: a person has stopped the work.
        LogFull: the run is too long.
        Waits: people have to answer first.
    """
    return await MODES[team.plan.mode](team)


async def _solo(team: TeamRun) -> Message:
    return await team.answer(team.plan.bot, MAIN, team.plan.prompt, before=team.before)


async def _pipeline(team: TeamRun) -> Message:
    stages = team.plan.members
    answers: list[Message] = []
    remark = ""
    for number, stage in enumerate(stages):
        prompt = prompt_of_stage(team.plan.prompt, stage, answers, remark)
        hears_before = number == 0 or stage.context in {"original", "all"}
        before = team.before if hears_before else Before()
        is_last = number == len(stages) - 1
        message, remark = await _stage(team, stage, prompt, before, is_last=is_last)
        answers.append(message)
    return answers[-1]


async def _stage(
    team: TeamRun, stage: MemberPlan, prompt: str, before: Before, *, is_last: bool
) -> tuple[Message, str]:
    """Return the answer of a stage that a person has confirmed, and the words of that person.

    After the last stage, no other Bot can take up a reply. So the same Bot works again with it, in
    a thread of its own, and the person is asked again.

    Raises:
        Denied: the person has stopped the pipeline.
        Waits: nobody has answered yet.
    """
    for turn in itertools.count(1):
        thread = stage.bot.name if turn == 1 else f"{stage.bot.name}#{turn}"
        message = await team.answer(stage.bot, thread, prompt, before=before, final=is_last)
        await team.run.save()
        answer = await _confirmed(team, stage, thread, is_last=is_last)
        if answer is None:
            break
        if not (is_last and answer.decision == "reply"):
            return message, answer.text
        said = (Turn("user", prompt), Turn("assistant", message.text or NO_TEXT))
        before = Before([*before.turns, *said], before.whole)
        prompt = remark_of(answer.text)
    return message, ""


async def _confirmed(
    team: TeamRun, stage: MemberPlan, thread: str, *, is_last: bool
) -> Answer | None:
    """Wait for the confirmation of a stage, and return the answer; None if none is required.

    A question that was asked counts also if the Team was changed since.

    Raises:
        Denied: the person has stopped the pipeline.
        Waits: nobody has answered yet.
    """
    run = team.run
    asked = questions_of(run.log.items, None, thread)
    if not asked:
        if not stage.requires_confirmation:
            return None
        words = f"Bot {stage.bot.name} has finished its part. Approve to go on."
        if is_last:
            words = f"{words[:-1]}, or reply to have it work again."
        question = run.log.add(
            Question(*UNPLACED, words, "confirmation", bot=stage.bot.name, thread=thread)
        )
        await run.save(question)
        raise Waits([question])
    question, answer = asked[-1]
    if answer is None and (answer := await run.answer_to(question)) is None:
        raise Waits([question])
    if answer.decision == "deny":
        words = f": {answer.text}" if answer.text else ""
        raise Denied(f"a person has stopped the pipeline after Bot {stage.bot.name}{words}")
    return answer


async def _route(team: TeamRun) -> Message:
    members = team.plan.members
    if len(members) == 0:
        return await _solo(team)
    member = members[await routed(team)]
    return await team.answer(member.bot, member.bot.name, team.plan.prompt, before=team.before)


async def _coordinate(team: TeamRun) -> Message:
    return await team.answer(
        team.plan.bot,
        MAIN,
        team.plan.prompt,
        before=team.before,
        further=member_tools(team),
    )


async def _collaborate(team: TeamRun) -> Message:
    members = team.plan.members
    at_once = asyncio.Semaphore(AT_ONCE)

    async def work(member: MemberPlan) -> Message | CallFailed:
        async with at_once:
            try:
                message = await team.answer(
                    member.bot,
                    member.bot.name,
                    team.plan.prompt,
                    before=team.before,
                    final=False,
                    live=False,
                )
            except CallFailed as error:
                team.run.notice(f"Bot {member.bot.name} has failed: {error}")
                return error
            await team.run.save()
            return message

    done = await asyncio.gather(*(work(member) for member in members), return_exceptions=True)
    answers = _or_raise(done)
    failures = [it for it in answers if isinstance(it, CallFailed)]
    if members and len(failures) == len(members):
        raise failures[-1]
    parts = list(zip(members, answers, strict=True))
    return await team.answer(
        team.plan.bot,
        MAIN,
        prompt_of_answers(team.plan.prompt, parts),
        before=team.before,
    )


def _or_raise(
    done: "list[Message | CallFailed | BaseException]",
) -> list[Message | CallFailed]:
    """Return the results of members that worked side by side.

    Raises:
        BaseException: the first failure that ends the run.
        Waits: some wait for people, and all others have finished.
    """
    results = [it for it in done if isinstance(it, Message | CallFailed)]
    others = [it for it in done if not isinstance(it, Message | CallFailed)]
    for failure in others:
        if not isinstance(failure, Waits):
            raise failure
    if questions := [it for wait in others if isinstance(wait, Waits) for it in wait.questions]:
        raise Waits(questions)
    return results


MODES: Final[dict[Mode, Callable[[TeamRun], Awaitable[Message]]]] = {
    "solo": _solo,
    "pipeline": _pipeline,
    "route": _route,
    "coordinate": _coordinate,
    "collaborate": _collaborate,
}
