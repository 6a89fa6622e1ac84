"""The leader election with invalid answers of the API server."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.support.stub_api import LIST_FAULTS, body, connection_to, stub_api
from tests.support.waiting import eventually
from wegent_kube import KubeClient
from wegent_kube.resources import LEASES
from wegent_operator.runtime.election import Elector, Timing
from wegent_operator.runtime.metrics import Metrics

TIMING = Timing(lease_s=2, give_up_s=1.0, retry_s=0.05)
PATH = LEASES.path("wegent-system", "wegent-operator")


@pytest.mark.parametrize("fault", LIST_FAULTS)
async def test_it_goes_on_after_whatever_answer_and_says_why_it_does_not_lead(fault: str) -> None:
    async with stub_api() as stub:
        client, metrics = KubeClient(connection_to(stub)), Metrics()
        elector = Elector(
            client,
            "wegent-system",
            "wegent-operator",
            "me",
            metrics.leading,
            lambda: datetime.now(UTC),
            TIMING,
        )
        for path in (PATH, LEASES.path("wegent-system")):
            stub.faults[path, "list"] = LIST_FAULTS[fault]
        began = asyncio.Event()

        async def lead() -> None:
            began.set()
            await asyncio.Event().wait()

        running = asyncio.create_task(elector.run(lead))
        await eventually(lambda: elector.problem, within_s=30, what="a problem")
        assert not running.done()
        assert not began.is_set()
        stub.faults.clear()
        stub.faults[PATH, "list"] = body(b'{"metadata":{"resourceVersion":"1"}}')
        await asyncio.wait_for(began.wait(), 20)
        assert not elector.problem
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await client.close()
