"""A Task that comes back from the trash has its transcript, under its new UID."""

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.viewer import Viewer
from tests.support.api import Api
from tests.support.proxy import Client
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.mark.parametrize("reads", ["each life", "the last life"])
async def test_a_restored_task_has_its_transcript_and_its_events(
    api: Api, client: Client, namespace: str, make_task: MakeTask, ended: MakeTask, reads: str
) -> None:
    await make_task()
    first = await ended()
    for life in range(3):
        uid = first["metadata"]["uid"]
        await api.delete("tasks", namespace, "t")
        await api.merge("tombstones", namespace, f"task-{uid}", {"spec": {"restore": True}})

        async def restored(former: str = uid) -> dict[str, object]:
            task = await api.get("tasks", namespace, "t")
            assert task is not None
            assert task["metadata"]["uid"] != former
            assert task["status"].get("phase") == "Completed", task["status"]
            return task

        first = await eventually(restored, within_s=30, what="the restored Task")
        if reads == "the last life" and life < 2:
            continue
        url = f"/api/v1/kinds/tasks/t/transcript?namespace={namespace}"
        transcript = (await client.get(url)).expect(200)
        assert transcript["items"][1]["content"][0]["text"] == "Hello, world."
        viewer = Viewer(client, namespace)
        await viewer.read()
        assert viewer.text == "Hello, world."
