"""The turns that precede a call: earlier Tasks, and what this run has said already."""

from collections.abc import Sequence
from typing import Final

from wegent_runner.engine.model_stream import Turn
from wegent_runner.store.transcripts import Transcript

SHORTER: Final = 0.5
"""Share of the earlier turns that is kept when the input is too long for the LLM."""


def turns_of(transcripts: Sequence[Transcript]) -> list[Turn]:
    """Return the turns of earlier Tasks, the oldest first."""
    turns: list[Turn] = []
    for transcript in transcripts:
        turns += [Turn(turn["role"], turn["content"]) for turn in transcript.history]
        answer = "\n\n".join(item.text for item in transcript.items if item.text)
        if answer:  # an LLM expects user and assistant in turn
            turns += [Turn("user", transcript.prompt), Turn("assistant", answer)]
    return turns


def shortened(turns: Sequence[Turn]) -> list[Turn]:
    """Return the newer part of the turns; it begins with the user's. Empty if none is left."""
    newer = turns[len(turns) - int(len(turns) * SHORTER) :]
    first = next((index for index, turn in enumerate(newer) if turn.role == "user"), len(newer))
    return list(newer[first:])
