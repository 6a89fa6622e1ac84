"""While the store doesn't work, no Task is claimed; a probe finds out when it does again."""

import asyncio

from tests.support.waiting import eventually
from wegent_runner.store.failures import StoreError
from wegent_runner.store.health import StoreHealth


async def test_a_failure_holds_claims_back_until_a_probe_succeeds() -> None:
    health, works, probes = StoreHealth(every_s=60), True, 0

    async def probe() -> None:
        nonlocal probes
        probes += 1
        if not works:
            raise StoreError("the store failed: full")

    running = asyncio.create_task(health.run(probe))
    await asyncio.wait_for(health.wait(), 30)
    await eventually(lambda: probes == 1, within_s=1, what="the first probe")
    works = False
    health.failed(StoreError("the store failed: gone"))
    waiting = asyncio.create_task(health.wait())
    await eventually(lambda: "full" in health.problem, within_s=3, what="a probe that fails")
    assert not waiting.done()
    works = True
    await asyncio.wait_for(waiting, 30)
    assert health.problem == ""
    running.cancel()


async def test_a_store_that_works_is_probed_now_and_then() -> None:
    health, full = StoreHealth(every_s=0.05), False

    async def probe() -> None:
        if full:
            raise StoreError("full")

    running = asyncio.create_task(health.run(probe))
    await asyncio.sleep(0.1)
    assert health.problem == ""
    full = True
    await eventually(lambda: health.problem, within_s=2, what="the failure of a probe")
    running.cancel()
