"""The operator is killed again and again under load, or runs twice without a Lease."""

import asyncio
import random
from pathlib import Path

from tests.operator_.faults.conftest import SetScene
from tests.support.operator import OperatorProcess

KILLS = 20
CHANGES_EACH = 25


async def test_killed_20_times_under_500_changes(
    operator_kubeconfig: Path, set_scene: SetScene
) -> None:
    operator = OperatorProcess(operator_kubeconfig, operator_kubeconfig.with_name("kills.log"))
    moments = random.Random(20)
    with operator:
        scene = await set_scene(operator)
        before = scene.load.done
        for _ in range(KILLS):
            changes = asyncio.create_task(scene.load.run(CHANGES_EACH))
            # From the first requests of the start to the middle of the work.
            await asyncio.sleep(moments.uniform(0.1, 1.2))
            operator.kill()
            await changes
            operator.launch()
        assert scene.load.done - before > KILLS * CHANGES_EACH / 2, "most changes are made"
        await asyncio.to_thread(operator.settle)
        await scene.load.run(CHANGES_EACH)  # the last start evaluated all objects, changed or not
        await scene.survived([operator])
        assert operator.stop() == 0, operator.tail()


async def test_two_without_a_lease(operator_kubeconfig: Path, set_scene: SetScene) -> None:
    one, other = (
        OperatorProcess(operator_kubeconfig, operator_kubeconfig.with_name(f"{name}.log"))
        for name in ("first", "second")
    )
    with one, other:
        scene = await set_scene(one, other)
        await scene.load.run(100)
        other.kill()
        await scene.load.run(40)
        await asyncio.to_thread(other.start)
        await scene.load.run(40)
        await scene.survived([one, other])
        assert one.stop() == 0, one.tail()
        assert other.stop() == 0, other.tail()
