"""Pydantic and the API server accept and refuse the same bodies.

The bodies are the same in every run. For others, set ``WEGENT_TEST_SEED`` to a number,
or to ``random``; a failure names the seed that repeats it.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.crds.bodies import new_object_schema
from tests.crds.mutations import bodies
from tests.crds.samples import body
from tests.crds.schemas import Schema, root_schema
from tests.crds.validation import LARGE_BODIES, ApiServer, Verdict, by_model, by_transition
from tests.support.tasks import running
from wegent_crds.models import MODELS
from wegent_crds.registry import KINDS
from wegent_kube.resources import resource_of

pytestmark = [pytest.mark.filterwarnings(LARGE_BODIES), pytest.mark.timeout(600)]

PLURALS: Final = [kind.plural for kind in KINDS]
BATCH: Final = 8
"""Bodies for each hypothesis example, validated at once."""
BATCHES: Final = 32
"""Examples for each kind: 256 bodies, of which hypothesis may leave out a few."""
LEAST_IN_ALL: Final = 2000
LEAST_SHARE: Final = 0.08
"""The least share of each verdict in each kind: a test would show nothing if nearly all bodies were
refused. A third is usual, and the share varies by chance.
"""
ANSWER_WITHIN_S: Final = 60.0
SEED: Final = os.environ.get("WEGENT_TEST_SEED")
STATUSES: Final[Mapping[str, tuple[str, dict[str, Any] | None]]] = {
    "ghost": ("ghosts", None),
    "task-pending": ("tasks", None),
    "task-running": ("tasks", running()),
}
"""The tested statuses: the one that all kinds share, and the Task's, after each status from which
it may change.
"""

Validate = Callable[[list[Any]], Coroutine[Any, Any, list[tuple[Verdict, Verdict]]]]


def _examine(
    schema: Schema, validate: Validate, loop: asyncio.AbstractEventLoop, name: str = ""
) -> Counter[bool]:
    """Let both sides validate generated bodies; return the counts of accepted and refused ones.

    Hypothesis runs in a thread of its own and leaves the requests to the event loop.
    """
    tally: Counter[bool] = Counter()
    number = random.getrandbits(32) if SEED == "random" else int(SEED or 0)

    @settings(
        max_examples=BATCHES,
        derandomize=SEED is None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),  # slow and large examples are intended
        print_blob=True,
    )
    @given(st.lists(bodies(schema, name), min_size=BATCH, max_size=BATCH))
    def compare(batch: list[Any]) -> None:
        verdicts = asyncio.run_coroutine_threadsafe(validate(batch), loop).result(ANSWER_WITHIN_S)
        for item, (server, model) in zip(batch, verdicts, strict=True):
            tally[server.accepted] += 1
            said = f"WEGENT_TEST_SEED={number}\n{item!r}\nAPI server: {server}\npydantic: {model}"
            assert server.accepted == model.accepted, said
            assert server.result == model.result, said

    (compare if SEED is None else seed(number)(compare))()
    return tally


def _assert_both_verdicts(tally: Counter[bool]) -> None:
    share = tally[True] / tally.total()
    assert LEAST_SHARE <= share <= 1 - LEAST_SHARE, tally


@pytest.fixture(scope="module")
def validated() -> Counter[str]:
    """The number of validated bodies of each kind."""
    return Counter()


@pytest.mark.parametrize("plural", PLURALS)
async def test_bodies_are_validated_alike(
    plural: str, api_server: ApiServer, validated: Counter[str]
) -> None:
    async def validate(batch: list[Any]) -> list[tuple[Verdict, Verdict]]:
        answers = await api_server.create_all(plural, batch)
        return [
            (_of_spec(answer), _of_spec(by_model(plural, item)))
            for answer, item in zip(answers, batch, strict=True)
        ]

    loop = asyncio.get_running_loop()
    tally = await asyncio.to_thread(_examine, new_object_schema(plural), validate, loop)
    validated[plural] = tally.total()
    _assert_both_verdicts(tally)


@pytest.mark.parametrize("which", STATUSES)
async def test_statuses_are_validated_alike(which: str, api_server: ApiServer) -> None:
    plural, before = STATUSES[which]
    model = MODELS[plural].model_fields["status"].annotation
    assert isinstance(model, type)
    stored = await api_server.create(plural, body(plural, name=which), dry_run=False)
    if before is not None:
        (stored,) = await api_server.write_statuses(plural, stored.result, [before], dry_run=False)
        assert stored.accepted, stored.said

    async def validate(batch: list[Any]) -> list[tuple[Verdict, Verdict]]:
        answers = await api_server.write_statuses(plural, stored.result, batch)
        return [
            (_of_status(answer), by_transition(model, stored.result["status"], item))
            for answer, item in zip(answers, batch, strict=True)
        ]

    schema = root_schema(plural)["properties"]["status"]
    loop = asyncio.get_running_loop()
    tally = await asyncio.to_thread(_examine, schema, validate, loop, "status")
    _assert_both_verdicts(tally)
    kind = next(kind for kind in KINDS if kind.plural == plural)
    path = resource_of(kind).path(api_server.namespace, which)
    await api_server.client.request("DELETE", path)


def test_enough_bodies_were_validated(validated: Counter[str]) -> None:
    if set(validated) != set(PLURALS):
        pytest.skip("only some kinds were chosen")
    assert validated.total() >= LEAST_IN_ALL, validated


def _of_spec(verdict: Verdict) -> Verdict:
    """Return the verdict with the resulting spec alone, defaults included."""
    result = verdict.result and verdict.result["spec"]
    return Verdict(verdict.accepted, verdict.said, result)


def _of_status(verdict: Verdict) -> Verdict:
    result = verdict.result and verdict.result["status"]
    return Verdict(verdict.accepted, verdict.said, result)
