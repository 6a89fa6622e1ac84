"""The calls of a Bot's Models: tried again, shortened, and fallen back from."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from wegent_runner.agents.run import Before, Run
from wegent_runner.agents.voice import Voice
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.engine.conversation import left_out, shortened
from wegent_runner.engine.failures import CallFailed, ContextExceeded, empty_answer
from wegent_runner.engine.model_stream import Called, Done, ModelInput, OutputForm, Turn, Usage
from wegent_runner.engine.tools import ToolSpec
from wegent_runner.limits.limits import LimitedCall
from wegent_runner.plan.plan import BotPlan, ModelPlan
from wegent_runner.telemetry.observer import stopwatch

logger = logging.getLogger(__name__)

NOT_SENT: Final = frozenset({"KeyNotUsable", "KeyUnreadable", "EgressRefused"})
"""Reasons of failures before a request is sent."""
CHARACTERS_PER_TOKEN: Final = 4
"""In English. A call that is cut off has no usage, and its tokens are estimated."""
FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0


class ModelCalls:
    """Calls the Models of one Bot in one run.

    Args:
        run: The run.
        bot: The Bot.
        before: The conversation before the run. Its older turns are left out where it is too long.
        form: The form of the answers. If a server refuses a call with a form, the call is made
            again without it: the instructions have the schema too.
    """

    def __init__(
        self, run: Run, bot: BotPlan, before: Before, form: OutputForm | None = None
    ) -> None:
        self._run = run
        self._bot = bot
        self._before = before
        self._turns = before.turns
        self._form = form
        self._first = 0
        """Index of the Model that has answered last."""

    async def answer(
        self,
        voice: Voice,
        messages: Sequence[Turn | Called],
        tools: Sequence[ToolSpec] = (),
        *,
        must_call: bool = False,
    ) -> Done:
        """Call the Bot's Model, and those to fall back to in turn, until one has answered.

        Args:
            voice: Takes the text.
            messages: The prompt, and the steps since.
            tools: The tools that the LLM may call.
            must_call: True if it has to call one.

        Raises:
            CallFailed: all have failed; it is the failure of the last one.
            BudgetExceeded: a limit of the Task is reached.
            LimitReached: a limit of its namespace is reached.
            GiveBack: the call has waited for a limit for too long, or the key can't be read now.
            LogFull: the answer is too long.
        """
        failure: CallFailed | None = None
        for index, model in enumerate(self._bot.models[self._first :], self._first):
            if failure is not None:
                self._run.observer.fell_back(self._run.claim.task, str(failure), model.name)
                await self._run.use(model)
            try:
                done = await self._call(model, voice, messages, tools, must_call=must_call)
            except CallFailed as error:
                logger.warning(
                    "%s: %s", error.reason, error, extra={"requestId": self._run.request_id}
                )
                failure = error
            else:
                self._first = index
                return done
        assert failure is not None  # noqa: S101 - a Bot has a Model
        if failure.reason == "KeyUnreadable":
            told = f"{failure}; waiting for another claim"
            raise GiveBack("ApiServerUnavailable", told) from failure
        raise failure

    async def _call(
        self,
        model: ModelPlan,
        voice: Voice,
        messages: Sequence[Turn | Called],
        tools: Sequence[ToolSpec],
        *,
        must_call: bool,
    ) -> Done:
        """Call one Model, several times if need be."""
        tries = 0
        while True:
            told = ModelInput(
                self._bot.instructions,
                [*self._turns, *messages],
                tools,
                must_call=must_call,
                form=self._form,
            )
            try:
                async with self._run.limits.call(self._run.limited_caller, model) as call:
                    done = await self._stream_in_time(model, told, voice, call)
            except ContextExceeded as error:
                self._run.observer.call_failed(model.provider, error.reason)
                if not self._turns:
                    raise
                self._turns = shortened(self._turns)
            except CallFailed as error:
                if error.reason in NOT_SENT:
                    self._run.meter.drop_request()
                self._run.observer.call_failed(model.provider, error.reason)
                if error.reason == "RequestRejected" and self._form is not None:
                    self._form = None
                    continue
                tries += 1
                if not error.retryable or tries >= error.max_tries:
                    raise
                pause_s = self._pause_s(tries, error.retry_after_s)
                self._run.observer.retrying(self._run.claim.task, str(error))
                await asyncio.sleep(pause_s)
            else:
                self._tell_of_left_out()
                return done
            voice.discard()

    def _tell_of_left_out(self) -> None:
        before = self._before
        if before.whole and len(self._turns) == len(before.turns):
            return
        notice = left_out(before.turns, self._turns, whole=before.whole)
        if notice not in self._run.notices:
            self._run.notice(notice)
            self._run.observer.shortened(self._run.claim.task, notice)

    async def _stream_in_time(
        self, model: ModelPlan, told: ModelInput, voice: Voice, call: LimitedCall
    ) -> Done:
        try:
            async with asyncio.timeout(self._run.call_s):
                return await self._stream(model, told, voice, call)
        except TimeoutError as error:
            # Bytes that come now and then keep the provider's silence short, and the slot in use.
            words = f"the answer was not complete within {self._run.call_s:g} s"
            raise CallFailed("Timeout", f"Model {model.name}: {words}") from error

    async def _stream(
        self, model: ModelPlan, told: ModelInput, voice: Voice, call: LimitedCall
    ) -> Done:
        run = self._run
        voice.discard()
        run.meter.begin_request()
        since_call_s, written, spoke = stopwatch(), 0, False
        done: Done | None = None
        try:
            async with aclosing(run.caller.stream(model, told, run.request_id)) as stream:
                async for piece in stream:
                    if isinstance(piece, Done):
                        done = piece
                        continue
                    if not written:
                        run.observer.metrics.first_text.observe(since_call_s())
                    written += len(piece)
                    spoke = spoke or not piece.isspace()
                    voice.append(piece)
        finally:
            if done is None and written:  # cut off, and the provider bills it all the same
                call.used(estimated(told, written))
        assert done is not None  # noqa: S101 - a stream without it has raised
        call.used(done.usage)
        run.meter.end_request(done.usage)
        self._count(model, done.usage)
        if not spoke and not done.calls:
            raise empty_answer(model.name, truncated=done.truncated)
        return done

    def _count(self, model: ModelPlan, usage: Usage) -> None:
        self._run.observer.call_ended(
            model.provider,
            input_=usage.input_tokens,
            cached=usage.cached_input_tokens,
            output=usage.output_tokens,
            cost=usage.cost_usd,
        )

    def _pause_s(self, tries: int, retry_after_s: float | None) -> float:
        """Return the pause before the next try: what the provider asked for, or a growing one."""
        pause_s = FIRST_PAUSE_S * 2.0 ** (tries - 1)
        if retry_after_s is not None:
            return min(retry_after_s, MAX_PAUSE_S) + self._run.chance(0.0, FIRST_PAUSE_S)
        return self._run.chance(pause_s / 2, pause_s)


def estimated(told: ModelInput, written: int) -> Usage:
    """Return the usage of a call that was cut off after so many characters of its answer."""
    texts = [told.instructions]
    for message in told.messages:
        texts += [message.text, *(message.results if isinstance(message, Called) else ())]
    read = sum(map(len, texts))
    return Usage(read // CHARACTERS_PER_TOKEN, written // CHARACTERS_PER_TOKEN)
