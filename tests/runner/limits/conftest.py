"""Two runners that share a database, and count the calls that they make."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.runner.store.databases import database_url, postgres, postgres_database
from tests.support.postgres import Postgres
from wegent_kube import KubeClient
from wegent_runner.engine.model_stream import Usage
from wegent_runner.limits.limits import Caller, Limits
from wegent_runner.limits.model_calls import ModelPlaces
from wegent_runner.limits.namespace_limits import LimitReader, NamespaceLimits
from wegent_runner.plan.plan import ModelPlan, ModelVersion
from wegent_runner.store.engine import connect, migrate
from wegent_runner.store.limits import LimitStore

__all__ = ["database_url", "postgres", "postgres_database"]

LEASE_S = 1.5


class Namespaces:
    """The part of an API server that the limits are read from."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._annotations = annotations

    async def request(self, *_: str) -> Any:
        return {"metadata": {"annotations": dict(self._annotations)}}


@dataclass
class Runner:
    """The limits of one runner."""

    limits: Limits
    places: ModelPlaces
    store: LimitStore
    renewing: asyncio.Task[None]

    def kill(self) -> None:
        """Stop renewing, as a runner does that is killed."""
        self.renewing.cancel()


@dataclass
class Calls:
    """Calls that are being made by all runners."""

    now: int = 0
    most: int = 0
    waits: list[str] = field(default_factory=list)

    async def make(
        self, runner: Runner, model: ModelPlan, seconds: float, caller: str = "n", tokens: int = 0
    ) -> None:
        """Make a call for a Task in the namespace ``caller``; its UID is the same."""
        task = Caller(caller, caller, self.waits.append)
        async with runner.limits.call(task, model) as call:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.now -= 1
            call.used(Usage(input_tokens=tokens))


def model(limit: int | None, uid: str = "uid") -> ModelPlan:
    """Return the plan of a Model with a limit."""
    return ModelPlan(
        "n/m",
        "openai",
        "gpt",
        "chat",
        max_concurrent_requests=limit,
        read=ModelVersion(uid, "1", 1),
    )


@asynccontextmanager
async def started(
    url: str,
    *,
    max_wait_s: float = 60.0,
    defaults: NamespaceLimits | None = None,
    **annotations: str,
) -> AsyncIterator[Runner]:
    """Start a runner. Annotations of its namespaces have the names of ``NamespaceLimits``."""
    engine = connect(url)
    await migrate(engine)
    store = LimitStore(engine)
    places = ModelPlaces(store, LEASE_S)
    named = {
        f"agent.wecode.io/{name.replace('_', '-')}": value for name, value in annotations.items()
    }
    reader = LimitReader(cast("KubeClient", Namespaces(named)), defaults or NamespaceLimits())
    renewing = asyncio.create_task(places.run())
    made = Runner(Limits(reader, places, store, max_wait_s), places, store, renewing)
    try:
        yield made
    finally:
        renewing.cancel()
        await places.end()
        await store.finished()
        await engine.dispose()


@pytest.fixture
def shared_url(postgres: Postgres, postgres_database: str) -> str:
    """The URL of a database that several runners may use."""
    return postgres.url(postgres_database)
