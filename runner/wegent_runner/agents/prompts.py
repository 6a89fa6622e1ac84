"""The prompts that Bots of a Team are given, from the work of others."""

from collections.abc import Sequence

from wegent_runner.engine.failures import CallFailed
from wegent_runner.plan.plan import MemberPlan
from wegent_runner.runs.items import Message


def prompt_of_stage(prompt: str, stage: MemberPlan, answers: Sequence[Message], remark: str) -> str:
    """Return the prompt of a stage of a pipeline.

    Args:
        prompt: The Task's prompt.
        stage: The stage. Its ``context`` says which of the others it is given.
        answers: The answers of the stages before it.
        remark: Words of the person who has confirmed the stage before it; may be empty.
    """
    if not answers:
        return prompt
    said = remark_of(remark) if remark else ""
    match stage.context:
        case "none":
            parts = [stage.prompt, said]
        case "original":
            parts = [prompt, said]
        case "previous":
            parts = [answers[-1].text, said]
        case "all":
            parts = [prompt, *(_part(it.bot, it.text) for it in answers), said]
    return "\n\n".join(filter(None, parts))


def remark_of(words: str) -> str:
    """Return the words of a person as a Bot is told them."""
    return f"A person remarks: {words}"


def prompt_of_answers(
    prompt: str, answers: Sequence[tuple[MemberPlan, Message | CallFailed]]
) -> str:
    """Return the prompt of the leader of members that have worked on the same prompt."""
    parts = [
        _part(member.bot.name, it.text if isinstance(it, Message) else f"No answer: {it}")
        for member, it in answers
    ]
    if not parts:
        return prompt
    asked = "Answer the following. The members of your team have answered it too, as shown below."
    return "\n\n".join([asked, prompt, *parts])


def _part(bot: str, text: str) -> str:
    return f"## {bot}\n\n{text}"
