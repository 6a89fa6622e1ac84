"""The clock of the operator's machine is set forward and back under load."""

import asyncio
from pathlib import Path

from tests.operator_.faults.conftest import SetScene
from tests.support.operator import OperatorProcess, set_clock, with_clock

JUMPS_S = (3600, -3600, 86_400, -86_400, 0)


async def test_set_forward_and_back(
    operator_kubeconfig: Path, tmp_path: Path, set_scene: SetScene
) -> None:
    ahead = tmp_path / "ahead"
    set_clock(ahead, 0)
    operator = OperatorProcess(
        operator_kubeconfig,
        tmp_path / "log",
        command=with_clock(ahead),
        leader_election="true",
    )
    await asyncio.to_thread(operator.start)
    try:
        scene = await set_scene(operator)
        for jump in JUMPS_S:
            set_clock(ahead, jump)
            await scene.load.run(20)
        await scene.survived([operator])
        assert operator.stop() == 0, operator.tail()
    finally:
        if operator.running():
            operator.kill()
