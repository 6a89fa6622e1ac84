"""etcd runs out of space under load, and gets space again."""

import asyncio

from devcluster.controlplane import ControlPlane
from tests.operator_.faults.conftest import ETCD_MIB, SetScene
from tests.support.api import Api
from tests.support.etcd import Etcd
from tests.support.operator import OperatorProcess
from wegent_kube import ApiError
from wegent_kube.resources import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps")
FILLER_BYTES = 1_000_000


async def fill(admin: Api, namespace: str) -> None:
    """Create objects until etcd refuses one."""
    for number in range(2 * ETCD_MIB):
        body = {"metadata": {"name": f"filler-{number}"}, "data": {"x": "x" * FILLER_BYTES}}
        try:
            await admin.client.request("POST", CONFIG_MAPS.path(namespace), body=body)
        except ApiError as error:
            if "space exceeded" not in error.message:
                raise
            return
    raise AssertionError("etcd refused nothing")


async def test_out_of_space_under_load(
    small_plane: ControlPlane,
    small_operator: OperatorProcess,
    set_small_scene: SetScene,
    admin: Api,
) -> None:
    scene, etcd = await set_small_scene(small_operator), Etcd(small_plane)
    filler = f"{scene.still}-filler"
    await admin.create_namespace(filler)
    changes = asyncio.create_task(scene.load.run(120))
    try:
        await fill(admin, filler)
        await changes
        assert [it["alarm"] for it in await etcd.alarms()] == ["NOSPACE"]
        before = scene.load.refused
        await scene.load.run(30)
        assert scene.load.refused > before, "etcd stored all changes without space"
    finally:
        await admin.client.request("DELETE", CONFIG_MAPS.path(filler))
        await etcd.compact()
        await etcd.defragment()
        await etcd.disarm()
    assert not await etcd.alarms()
    await scene.load.run(30)
    await scene.survived([small_operator])
