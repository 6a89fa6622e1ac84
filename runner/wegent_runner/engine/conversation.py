"""The turns that precede a call: earlier Tasks, and what this run has said already."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wegent_runner.engine.model_stream import Turn
from wegent_runner.store.transcript import Transcript

SHORTER: Final = 0.5
"""Share of the earlier turns that is kept when the input is too long for the LLM."""


BROKEN: Final = (
    "Older turns of the conversation are missing: the transcript of an earlier Task was deleted, or"
    " the Task has none."
)
"""Notice that a conversation has lost its beginning."""


def turns_of(transcripts: Sequence[Transcript]) -> list[Turn]:
    """Return the turns of earlier Tasks, the oldest first."""
    turns: list[Turn] = []
    for transcript in transcripts:
        turns += [Turn(turn["role"], turn["content"]) for turn in transcript.history]
        if transcript.answer:  # an LLM expects user and assistant in turn
            turns += [Turn("user", transcript.prompt), Turn("assistant", transcript.answer)]
    return turns


def turns_of_task(task: Mapping[str, Any]) -> list[Turn]:
    """Return the turns of a Task without a transcript, by its own fields.

    A Task that was restored from the trash, or that another kind of runner ran, has none.
    """
    result = task["status"].get("result")
    return [Turn("user", task["spec"]["prompt"]), Turn("assistant", result)] if result else []


def left_out(before: Sequence[Turn], after: Sequence[Turn], *, whole: bool = True) -> str:
    """Return the notice that says how much of a conversation an LLM was not told.

    Args:
        before: the turns that were loaded.
        after: those of them that were sent.
        whole: False if there are older turns, which were not loaded. Their number isn't known.
    """
    if not whole:
        return (
            "The conversation is too long. Its older turns were left out:"
            f" the Model was sent the newest {len(after) // 2}."
        )
    return (
        f"The conversation is too long for the Model. {(len(before) - len(after)) // 2} of its"
        f" {len(before) // 2} earlier turns were left out, the oldest first."
    )


def shortened(turns: Sequence[Turn]) -> list[Turn]:
    """Return the newer part of the turns; it begins with the user's. Empty if none is left."""
    newer = turns[len(turns) - int(len(turns) * SHORTER) :]
    first = next((index for index, turn in enumerate(newer) if turn.role == "user"), len(newer))
    return list(newer[first:])
