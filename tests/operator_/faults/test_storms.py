"""A share of the operator's requests is refused, delayed or cut, watches among them."""

import asyncio
from pathlib import Path

from devcluster.controlplane import ControlPlane
from tests.operator_.faults.conftest import SetScene
from tests.support.bad_proxy import FAULTS, bad_proxy
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess


async def test_refused_delayed_and_cut(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path, set_scene: SetScene
) -> None:
    token = token_for(kubectl, "wegent-system", "wegent-operator")
    async with bad_proxy(control_plane) as proxy:
        operator = OperatorProcess(
            proxy.kubeconfig(tmp_path / "kubeconfig", token),
            tmp_path / "log",
            watch_timeout_s="2",  # so that watches begin in the storm too
        )
        await asyncio.to_thread(operator.start)
        try:
            scene = await set_scene(operator)
            proxy.share = 0.4
            for _ in range(5):
                await scene.load.run(40)
                proxy.cut_all()
                await asyncio.sleep(0.3)
            proxy.share = 0
            assert set(proxy.failed) == set(FAULTS)
            assert proxy.failed.total() > 50, proxy.failed
            await scene.survived([operator])
            assert (await asyncio.to_thread(operator.stop)) == 0, operator.tail()
        finally:
            if operator.running():
                operator.kill()
