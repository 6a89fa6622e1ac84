"""Tries a Model by one short call, with the same key and the same guard as a Task's calls."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from wegent_crds.registry import MODEL
from wegent_kube import KubeClient
from wegent_kube.errors import get_or_none
from wegent_kube.resources import resource_of
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.model_stream import Done, ModelCaller, ModelInput, Turn, Usage
from wegent_runner.limits.limits import Caller, CallLimits
from wegent_runner.limits.namespace_limits import LimitReached
from wegent_runner.plan.plan import ModelPlan, model_plan
from wegent_runner.store.failures import StoreError
from wegent_runner.telemetry.observer import Observer, stopwatch

logger = logging.getLogger(__name__)

INSTRUCTIONS: Final = "Answer in one word."
PROMPT: Final = "Say ok."
MAX_TOKENS: Final = 16
"""Length of the answer. OpenAI's Responses API takes no smaller limit."""
TIMEOUT_S: Final = 30.0
"""Seconds for the whole call."""


class ModelTester:
    """Tries Models.

    Args:
        client: the API server, with the runner's own rights.
        caller: calls the Models.
        observer: counts tokens and failures as those of Tasks.
        limits: hold for these calls too; they count for the Model's namespace.
        timeout_s: Seconds for the whole call.
    """

    def __init__(
        self,
        client: KubeClient,
        caller: ModelCaller,
        observer: Observer,
        limits: CallLimits,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._client = client
        self._caller = caller
        self._observer = observer
        self._limits = limits
        self._timeout_s = timeout_s

    async def test(self, namespace: str, name: str, request_id: str) -> Mapping[str, Any] | None:
        """Call a Model once, and return the result as JSON; None if there is no such Model.

        The Model's fallbacks are not called. A call that fails is a result too: it has ``error``
        with ``reason`` and ``message``, in the words that a Task would have.

        Raises:
            KubeError: the Model couldn't be read.
        """
        path = resource_of(MODEL).path(namespace, name)
        body = await get_or_none(self._client.request("GET", path))
        if body is None:
            return None
        plan = model_plan(body)
        plan = replace(plan, max_tokens=min(plan.max_tokens or MAX_TOKENS, MAX_TOKENS))
        elapsed_s, waits = stopwatch(), list[str]()
        caller = Caller(namespace, f"test {request_id}", waits.append)
        try:
            async with asyncio.timeout(self._timeout_s), self._limits.call(caller, plan) as call:
                waits.clear()
                elapsed_s = stopwatch()  # of the call, without the wait for a limit
                first_s, usage = await self._call(plan, request_id, elapsed_s)
                call.used(usage)
        except TimeoutError:
            told = f"the answer was not complete within {self._timeout_s:g} s"
            reason = "Throttled" if waits else "Timeout"
            failure = CallFailed(reason, f"Model {plan.name}: {waits[0] if waits else told}")
        except (LimitReached, GiveBack) as error:
            failure = CallFailed(error.reason, str(error))
        except StoreError as error:
            failure = CallFailed("StoreUnavailable", str(error))
        except CallFailed as error:
            failure = error
        else:
            return _result(plan, elapsed_s(), first_s=first_s, usage=usage)
        self._observer.call_failed(plan.provider, failure.reason)
        logger.info("test: %s: %s", failure.reason, failure, extra={"requestId": request_id})
        return _result(plan, elapsed_s(), failure=failure)

    async def _call(
        self, plan: ModelPlan, request_id: str, elapsed_s: Callable[[], float]
    ) -> tuple[float | None, Usage]:
        """Return the seconds to the first delta, None for an answer without text, and the usage.

        A reasoning LLM may spend all tokens before it writes: it has answered nevertheless.
        """
        first_s: float | None = None
        usage = Usage()
        stream: AsyncGenerator[str | Done, None] = self._caller.stream(
            plan, ModelInput(INSTRUCTIONS, [Turn("user", PROMPT)]), request_id
        )
        async with aclosing(stream):
            async for piece in stream:
                if isinstance(piece, Done):
                    usage = piece.usage
                elif first_s is None:
                    first_s = elapsed_s()
        self._observer.call_ended(
            plan.provider,
            input_=usage.input_tokens,
            cached=usage.cached_input_tokens,
            output=usage.output_tokens,
            cost=usage.cost_usd,
        )
        return first_s, usage


def _result(
    plan: ModelPlan,
    total_s: float,
    *,
    first_s: float | None = None,
    usage: Usage | None = None,
    failure: CallFailed | None = None,
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "succeeded": failure is None,
        "provider": plan.provider,
        "model": plan.model,
        "totalMilliseconds": round(total_s * 1000),
    }
    if first_s is not None:
        result["firstDeltaMilliseconds"] = round(first_s * 1000)
    if usage is not None:
        result["usage"] = {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "cachedInputTokens": usage.cached_input_tokens,
        }
        if usage.cost_usd is not None:
            result["usage"]["costUSD"] = f"{usage.cost_usd:.6f}"
    if failure is not None:
        result["error"] = {"reason": failure.reason, "message": str(failure)}
    return result
