"""The runner's own rights suffice to find the transcripts of Tasks that are gone."""

from pathlib import Path

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.store.databases import database, database_url, store
from tests.runner.store.test_transcripts import begin
from tests.support.api import Api
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
