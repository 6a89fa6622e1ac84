"""The limits of each call of a Model: of its namespace first, and then of the Model.

A call that has to wait keeps its Task's slot in the runner. It says what it waits for, once. After
a minute the Task is given back, so that other Tasks get the slot: what is stored of it is not done
again. A Task of which another call is being made just waits on, since that call would be lost.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_kube import KubeClient
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.limits.model_calls import ModelPlaces, Place
from wegent_runner.limits.namespace_limits import (
    LimitReached,
    LimitReader,
    defaults_of,
)
from wegent_runner.plan.plan import ModelPlan
from wegent_runner.settings import Settings
from wegent_runner.store.failures import StoreError
from wegent_runner.store.limits import LimitStore

logger = logging.getLogger(__name__)

MAX_WAIT_S: Final = 60.0
"""Seconds after which a Task that waits for a call is given back."""
TELL_AFTER_S: Final = 1.0
"""Seconds of waiting that nobody is told of."""
LEAST_PAUSE_S: Final = 1.0
"""Seconds before a namespace without a free request in the next minute is looked at again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """The Task that makes a call.

    Attributes:
        namespace: Its namespace, which the call counts for.
        uid: Its UID.
        waiting: Is told what the call waits for, once.
    """

    namespace: str
    uid: str
    waiting: Callable[[str], None]


class Tokens(Protocol):
    """The usage of a call."""

    @property
    def input_tokens(self) -> int:
        """Number of tokens that were sent, cached ones included."""

    @property
    def output_tokens(self) -> int:
        """Number of tokens of the answer."""


class LimitedCall:
    """A call that may be made."""

    def __init__(self) -> None:
        self.tokens = 0

    def used(self, usage: Tokens) -> None:
        """Count the tokens of the call, cached ones included."""
        self.tokens += usage.input_tokens + usage.output_tokens


class CallLimits(Protocol):
    """Decides when a call of a Model may be made."""

    def call(self, caller: Caller, model: ModelPlan) -> AbstractAsyncContextManager[LimitedCall]:
        """Wait until a call may be made, and count it."""


class Unlimited:
    """Lets every call be made at once."""

    @asynccontextmanager
    async def call(self, caller: Caller, model: ModelPlan) -> AsyncIterator[LimitedCall]:  # noqa: ARG002
        """Count a call for nobody."""
        yield LimitedCall()


class Limits:
    """Lets calls of Models be made, within the limits.

    Args:
        reader: the limits of namespaces.
        places: the places of Models with a limit.
        store: the usage of namespaces.
        max_wait_s: Seconds after which a Task that waits is given back.
    """

    def __init__(
        self,
        reader: LimitReader,
        places: ModelPlaces,
        store: LimitStore,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        self._reader = reader
        self._places = places
        self._store = store
        self._max_wait_s = max_wait_s
        self._being_made: Counter[str] = Counter()
        """Calls that are being made, by the UID of the Task."""

    @asynccontextmanager
    async def call(self, caller: Caller, model: ModelPlan) -> AsyncIterator[LimitedCall]:
        """Wait until a call may be made, and count it.

        Raises:
            LimitReached: the tokens of the namespace are used up for today.
            GiveBack: the call has waited for too long, or the API server gives no answer.
            StoreError: the database failed.
        """
        limits = await self._reader.get(caller.namespace)
        if limits.tokens_per_day is not None:
            await self._check_tokens(caller.namespace, limits.tokens_per_day)
        if limits.requests_per_minute is not None:
            per_minute = limits.requests_per_minute
            told = (
                f"waiting for a request: namespace {caller.namespace} may make {per_minute} a"
                f" minute ({REQUESTS_PER_MINUTE})"
            )
            await self._patiently(
                self._request(caller.namespace, per_minute), caller, "NamespaceBusy", told
            )
        place = await self._place(caller, model)
        call = LimitedCall()
        self._being_made[caller.uid] += 1
        try:
            yield call
        finally:
            self._being_made[caller.uid] -= 1
            if not self._being_made[caller.uid]:
                del self._being_made[caller.uid]
            if place is not None:
                place.leave()
            if call.tokens and limits.tokens_per_day is not None:
                await self._add_tokens(caller.namespace, call.tokens)

    async def run(self) -> None:
        """Renew the places of this runner, and delete old counts, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._places.run())
            group.create_task(self._store.run())

    async def end(self) -> None:
        """Wait until the database knows of all calls that have ended."""
        await self._places.end()
        await self._store.finished()

    async def _check_tokens(self, namespace: str, limit: int) -> None:
        usage = await self._store.usage_of(namespace)
        if usage.tokens >= limit:
            until = datetime.fromtimestamp(usage.ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            raise LimitReached(
                "NamespaceQuotaExceeded",
                f"namespace {namespace} has used {usage.tokens} of {limit} tokens today"
                f" ({TOKENS_PER_DAY}); the next day begins at {until}",
            )

    async def _add_tokens(self, namespace: str, tokens: int) -> None:
        """Count the tokens of a call. Its answer is not given up if they can't be counted."""
        try:
            await self._store.add_tokens(namespace, tokens)
        except StoreError as error:
            logger.warning("%d tokens of namespace %s not counted: %s", tokens, namespace, error)

    async def _request(self, namespace: str, per_minute: int) -> None:
        while True:
            wait_s = await self._store.reserve_request(namespace, per_minute, self._max_wait_s)
            if wait_s <= self._max_wait_s:
                await asyncio.sleep(wait_s)
                return
            await asyncio.sleep(max(LEAST_PAUSE_S, wait_s - self._max_wait_s))

    async def _place(self, caller: Caller, model: ModelPlan) -> Place | None:
        limit = model.max_concurrent_requests
        if limit is None or model.read is None:
            return None
        taking = asyncio.create_task(
            self._places.take(model.read.uid, caller.namespace, limit), name="take a place"
        )
        told = (
            f"waiting for a call of Model {model.name}, of which {limit} may be made at once"
            " (spec.maxConcurrentRequests)"
        )
        try:
            return await self._patiently(taking, caller, "ModelBusy", told)
        except BaseException:
            # The place may have come in the same moment.
            if taking.done() and not taking.cancelled() and taking.exception() is None:
                taking.result().leave()
            raise

    async def _patiently(
        self,
        work: Coroutine[Any, Any, T] | asyncio.Task[T],
        caller: Caller,
        reason: str,
        told: str,
    ) -> T:
        """Return the result of ``work``, which waits for a call.

        Raises:
            GiveBack: it has waited for too long.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task], timeout=TELL_AFTER_S)
            if not task.done():
                caller.waiting(told)
            while not task.done():
                busy = self._being_made[caller.uid]
                await asyncio.wait([task], timeout=self._max_wait_s)
                # A call that has just ended may leave its place to this one.
                if not (task.done() or busy or self._being_made[caller.uid]):
                    raise GiveBack(reason, told)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])


def limits_in(store: LimitStore, client: KubeClient, settings: Settings) -> Limits:
    """Return the limits that are counted in a store."""
    return Limits(LimitReader(client, defaults_of(settings)), ModelPlaces(store), store)
