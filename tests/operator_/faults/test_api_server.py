"""The API server is gone for a while, or has forgotten the changes that happened meanwhile.

``WEGENT_FAULTS_OUTAGE_S`` makes the outage longer than the few seconds of a usual run.
"""

import asyncio
import os
from pathlib import Path

from devcluster.controlplane import ControlPlane
from tests.operator_.faults.conftest import SetScene
from tests.support.api import Api
from tests.support.etcd import Etcd
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.relay import kubeconfig_over, link_to

OUTAGE_S = float(os.environ.get("WEGENT_FAULTS_OUTAGE_S", "3"))


async def test_gone_under_load(
    control_plane: ControlPlane, operator_kubeconfig: Path, set_scene: SetScene
) -> None:
    operator = OperatorProcess(
        operator_kubeconfig, operator_kubeconfig.with_name("outage.log"), watch_timeout_s="2"
    )
    with operator:
        scene = await set_scene(operator)
        changes = asyncio.create_task(scene.load.run(150))
        await asyncio.sleep(0.5)  # the operator has some of them on its hands
        control_plane.stop_apiserver()
        await changes
        await asyncio.sleep(OUTAGE_S)
        control_plane.start_apiserver()  # here, so that it ends with this process
        await scene.load.run(50)
        assert scene.load.unsure, "the outage hit no change"
        await scene.survived([operator])
        assert operator.stop() == 0, operator.tail()


async def purge(api: Api, plural: str, namespace: str, name: str) -> str:
    """Let an object go without the operator; return its uid, or nothing if there is none."""
    body = await api.get(plural, namespace, name)
    if body is None:
        return ""
    await api.ask_to_delete(plural, namespace, name)
    await api.merge(plural, namespace, name, {"metadata": {"finalizers": None}})
    assert await api.get(plural, namespace, name) is None
    return str(body["metadata"]["uid"])


async def test_compacted_with_deletions_in_the_gap(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path, api: Api, set_scene: SetScene
) -> None:
    """The operator's watches begin again from a version of which the API server knows nothing."""
    token = token_for(kubectl, "wegent-system", "wegent-operator")
    async with link_to(control_plane.server) as link:
        config = kubeconfig_over(link, control_plane, tmp_path / "kubeconfig", token)
        operator = OperatorProcess(config, tmp_path / "log")
        await asyncio.to_thread(operator.start)
        try:
            scene = await set_scene(operator)
            await link.close()
            await scene.load.run(40)
            places = [
                (plural, namespace, f"{plural[0]}{number}")
                for plural in ("ghosts", "bots", "shells")
                for namespace in scene.load.namespaces
                for number in range(2)
            ]
            purged = {await purge(api, *place) for place in places} - {""}
            assert len(purged) > len(places) / 2
            for uid in purged:
                del scene.load.made[uid]
            await Etcd(control_plane).compact()
            control_plane.stop_apiserver()
            control_plane.start_apiserver()  # here, so that it ends with this process
            await link.open()
            await scene.survived([operator])
            assert (await asyncio.to_thread(operator.stop)) == 0, operator.tail()
        finally:
            if operator.running():
                operator.kill()
