"""Namespaces, kinds and rights are taken away and given back under load."""

import asyncio

from tests.operator_.faults.conftest import SetScene
from tests.operator_.watch.visibility.steps import delete_crd, put_crd_back, without_rights
from tests.support.api import Api
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import GROUP
from wegent_kube import get_or_none
from wegent_kube.content_types import JSON_PATCH
from wegent_kube.resources import CRDS, NAMESPACES

TO_READ = ("ghosts", "tombstones")
TO_WRITE = ("bots/status", "models/status", "tombstones/status")
UPGRADED = ("ghosts", "bots", "teams")
ADDED = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/addedLater"


async def test_a_namespace(
    small_operator: OperatorProcess, set_small_scene: SetScene, admin: Api
) -> None:
    scene = await set_small_scene(small_operator)
    deleted = scene.load.namespaces[1]
    path = NAMESPACES.path(None, deleted)
    changes = asyncio.create_task(scene.load.run(70))
    await admin.client.request("DELETE", path)

    async def gone() -> bool:
        return await get_or_none(admin.client.request("GET", path)) is None

    await eventually(gone, within_s=60, what="the namespace to be gone")
    await changes
    await scene.settled([small_operator])
    await admin.create_namespace(deleted)
    await scene.load.run(40)
    await scene.survived([small_operator], without=[deleted])


async def test_a_kind(
    small_operator: OperatorProcess, set_small_scene: SetScene, admin: Api
) -> None:
    scene = await set_small_scene(small_operator)
    changes = asyncio.create_task(scene.load.run(60))
    await delete_crd(admin, "skills")
    await changes
    await scene.load.run(20)
    await put_crd_back(admin, "skills")
    await scene.load.run(40)
    await scene.survived([small_operator], without=["skills"])


async def upgrade(admin: Api, operation: str) -> None:
    """Add a field to the schemas of some kinds, or remove it."""
    for plural in UPGRADED:
        patch = [{"op": operation, "path": ADDED, "value": {"type": "string"}}]
        path = CRDS.path(name=f"{plural}.{GROUP}")
        await admin.client.request("PATCH", path, body=patch, content_type=JSON_PATCH)


async def test_a_schema_is_upgraded_and_put_back(
    small_operator: OperatorProcess, set_small_scene: SetScene, admin: Api
) -> None:
    scene = await set_small_scene(small_operator)
    for operation in ("add", "remove"):
        changes = asyncio.create_task(scene.load.run(60))
        await upgrade(admin, operation)
        await changes
    await scene.survived([small_operator])


async def test_rights(
    small_operator: OperatorProcess, set_small_scene: SetScene, admin: Api
) -> None:
    scene = await set_small_scene(small_operator)
    for resources in (TO_READ, TO_WRITE):
        async with without_rights(admin, *resources):
            await scene.load.run(30)
            await asyncio.sleep(2.5)  # the watches begin again, and are refused
            await scene.load.run(30)
    await scene.survived([small_operator])
