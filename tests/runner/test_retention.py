"""The runner's own rights suffice to find the transcripts of Tasks that are gone."""

from pathlib import Path
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.store.databases import database, database_url, store
from tests.runner.store.test_transcripts import begin
from tests.support.api import Api
from tests.support.waiting import eventually
from wegent_kube import KubeClient, load_connection
from wegent_runner.store.retention import Retention
from wegent_runner.store.transcripts import TranscriptStore

__all__ = ["database", "database_url", "store"]


@pytest.mark.usefixtures("operator")
async def test_transcripts_of_tasks_here_and_in_the_trash_are_kept(
    api: Api,
    namespace: str,
    store: TranscriptStore,
    make_task: MakeTask,
    runner_kubeconfig: Path,
) -> None:
    here = (await make_task("here"))["metadata"]["uid"]
    trash = (await make_task("trash"))["metadata"]["uid"]
    await api.delete("tasks", namespace, "trash")
    for uid in (here, trash, "gone"):
        await begin(store, uid)
    async with KubeClient(load_connection(runner_kubeconfig)) as client:
        await Retention(client, store, young_s=-60).sweep()
    assert set(await store.unused_since(1 << 50)) == {here, trash}


@pytest.mark.usefixtures("operator")
async def test_a_restored_task_is_given_its_transcript_once_and_costs_no_write_later(
    api: Api,
    namespace: str,
    store: TranscriptStore,
    make_task: MakeTask,
    runner_kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former = (await make_task())["metadata"]["uid"]
    await store.open(former, 1, namespace=namespace, name="t", prompt="Hi", previous=None)
    await api.delete("tasks", namespace, "t")
    await api.merge("tombstones", namespace, f"task-{former}", {"spec": {"restore": True}})

    async def restored() -> str:
        task = await api.get("tasks", namespace, "t")
        assert task is not None
        assert task["metadata"]["uid"] != former
        uid: str = task["metadata"]["uid"]
        return uid

    uid = await eventually(restored, within_s=30, what="the restored Task")
    adopted: list[str] = []
    adopt = store.adopt

    async def counted(uid: str, *args: Any, **kwargs: Any) -> bool:
        adopted.append(uid)
        return await adopt(uid, *args, **kwargs)

    monkeypatch.setattr(store, "adopt", counted)
    async with KubeClient(load_connection(runner_kubeconfig)) as client:
        retention = Retention(client, store, young_s=-60)
        for _ in range(3):
            await retention.sweep()
            assert list(await store.unused_since(1 << 50)) == [uid]
    assert adopted == [uid]
