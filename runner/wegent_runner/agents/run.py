"""The state that the parts of one run share."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wegent_runner.claims.claim import Claim
from wegent_runner.engine.meter import Meter
from wegent_runner.engine.model_stream import ModelCaller, Turn
from wegent_runner.limits.limits import Caller, CallLimits
from wegent_runner.plan.plan import ModelPlan
from wegent_runner.runs.items import Answer, Decision, Item, Question
from wegent_runner.runs.log import RunLog
from wegent_runner.runs.used import UsedObject, short_entries
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.observer import Observer


class GivenAnswer(Protocol):
    """The answer of a person in the Task's spec."""

    @property
    def decision(self) -> Decision:
        """The decision."""

    @property
    def text(self) -> str:
        """Words of the person; may be empty."""

    @property
    def by(self) -> str:
        """User name, as the API server has it."""


class Waits(Exception):  # noqa: N818 - names the event
    """The run can't go on before people have answered."""

    def __init__(self, questions: Sequence[Question]) -> None:
        super().__init__(f"{len(questions)} questions")
        self.questions = questions


@dataclass(frozen=True, slots=True)
class Before:
    """The turns before a prompt. ``whole`` is False if older ones were not loaded."""

    turns: Sequence[Turn] = ()
    whole: bool = True


@dataclass(slots=True)
class Run:
    """One attempt at a Task.

    Attributes:
        claim: The claim under which it runs.
        request_id: Id that all calls of LLMs bear.
        log: Its items.
        limits: Limits beyond this Task.
        answers: Answers of people, by the id of the question.
        call_s: Seconds that one call of a Model may take.
        chance: Returns a random number between two.
        notices: Remarks for the transcript, such as on turns that were left out.
        used: The objects that the attempt has used so far.
    """

    claim: Claim
    request_id: str
    log: RunLog
    store: TranscriptStore
    caller: ModelCaller
    observer: Observer
    meter: Meter
    limits: CallLimits
    answers: Mapping[str, GivenAnswer]
    call_s: float
    chance: Callable[[float, float], float]
    notices: list[str] = field(default_factory=list)
    used: list[UsedObject] = field(default_factory=list)
    unsaved: list[Item] = field(default_factory=list)
    """Items that are stored with the next ones, or with the end of the run."""
    _saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def limited_caller(self) -> Caller:
        """The Task, as the limits beyond it count it."""
        claim = self.claim
        return Caller(
            claim.namespace, claim.uid, lambda told: self.observer.throttled(claim.task, told)
        )

    def keep(self, *items: Item) -> None:
        """Store items later, with the next ones."""
        self.unsaved += items

    async def save(self, *items: Item) -> None:
        """Store items now, in one write with those that were kept.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the database failed.
        """
        self.unsaved += items
        async with self._saving:  # no item is stored before an older one
            items, self.unsaved = tuple(self.unsaved), []
            try:
                if items:
                    await self.store.add(self.claim.uid, *items)
            except BaseException:
                self.unsaved = [*items, *self.unsaved]
                raise

    async def use(self, model: ModelPlan) -> None:
        """Record that the attempt uses a Model that another one falls back to.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the database failed.
        """
        if model.used is None or model.used in self.used:
            return
        self.used.append(model.used)
        await self.store.use(self.claim.uid, self.claim.attempt, self.used)
        self.claim.ran = short_entries(it.version for it in self.used)

    async def answer_to(self, question: Question) -> Answer | None:
        """Return the answer that a person has given to a question, stored; None without one."""
        given = self.answers.get(question.id)
        if given is None:
            return None
        answer = self.log.add(Answer(-1, 0, 0, given.text, question, given.decision, given.by))
        await self.save(answer)
        return answer

    def notice(self, text: str) -> None:
        """Add a remark for the transcript, once."""
        if text not in self.notices:
            self.notices.append(text)
