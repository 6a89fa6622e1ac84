"""Transcripts live as long as their Tasks, in the cluster or in the trash."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests.runner.store.test_transcripts import begin
from wegent_crds.former_tasks import former_uids
from wegent_crds.well_known import RESTORED_FROM
from wegent_kube import KubeClient, Unreachable
from wegent_runner.store.retention import Retention
from wegent_runner.store.transcripts import TranscriptStore


class Cluster:
    """The lists of an API server."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, str]] = {}
        """Annotations by UID."""
        self.tombstones: dict[str, dict[str, str]] = {}
        self.lists = 0
        self.broken = ""

    async def pages(
        self, path: str, *, params: Mapping[str, str] | None = None, accept: str = ""
    ) -> AsyncIterator[Any]:
        self.lists += 1
        assert accept
        if self.broken and self.broken in path:
            raise Unreachable("no answer")
        if "tombstones" in path:
            assert params == {"labelSelector": "agent.wecode.io/tombstone-of=tasks"}
            found = {f"task-{uid}": it for uid, it in self.tombstones.items()}
        else:
            found = self.tasks
        for name, annotations in found.items():
            metadata = {"name": "t", "uid": name, "namespace": "ns", "annotations": annotations}
            if "tombstones" in path:
                metadata |= {"name": name, "uid": "other"}
            yield {"items": [{"metadata": metadata}]}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def sweeper(cluster: Cluster, store: TranscriptStore, young_s: float = -60) -> Retention:
    client: KubeClient = cluster  # type: ignore[assignment]
    return Retention(client, store, young_s=young_s)


async def stored(store: TranscriptStore) -> set[str]:
    return set(await store.unused_since(1 << 50))


async def test_what_is_gone_from_cluster_and_trash_is_deleted(
    cluster: Cluster, store: TranscriptStore
) -> None:
    for uid in ("here", "trash", "gone", "probe-x"):
        await begin(store, uid)
    cluster.tasks["here"] = {}
    cluster.tombstones["trash"] = {}
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"here", "trash"}


async def test_recent_runs_are_kept_and_cost_no_list(
    cluster: Cluster, store: TranscriptStore
) -> None:
    await begin(store, "gone")
    await sweeper(cluster, store, young_s=60).sweep()
    assert await stored(store) == {"gone"}
    assert cluster.lists == 0


@pytest.mark.parametrize("broken", ["tasks", "tombstones"])
async def test_nothing_is_deleted_if_a_list_fails(
    cluster: Cluster, store: TranscriptStore, broken: str
) -> None:
    await begin(store, "gone")
    cluster.broken = broken
    with pytest.raises(Unreachable):
        await sweeper(cluster, store).sweep()
    assert await stored(store) == {"gone"}


async def test_a_restored_task_is_given_its_transcript(
    cluster: Cluster, store: TranscriptStore
) -> None:
    await begin(store, "old")
    cluster.tasks["new"] = {RESTORED_FROM: "task-old"}
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"new"}
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"new"}


async def test_a_restored_task_that_is_in_the_trash_again_keeps_its_transcript(
    cluster: Cluster, store: TranscriptStore
) -> None:
    await begin(store, "old")
    cluster.tombstones["new"] = {RESTORED_FROM: "task-old"}
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"old"}


async def test_a_task_that_is_restored_during_the_sweep_keeps_its_transcript(
    cluster: Cluster, store: TranscriptStore
) -> None:
    await begin(store, "u")
    cluster.tombstones["u"] = {}
    pages = cluster.pages

    async def moving(path: str, **options: Any) -> AsyncIterator[Any]:
        async for page in pages(path, **options):
            yield page
        if "tombstones" in path:
            cluster.tombstones.clear()

    cluster.pages = moving  # type: ignore[method-assign]
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"u"}


async def test_a_task_that_was_restored_twice_is_given_the_transcript_of_its_first_life(
    cluster: Cluster, store: TranscriptStore
) -> None:
    await begin(store, "first")
    cluster.tombstones["third"] = {RESTORED_FROM: "task-second task-first"}
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"first"}
    cluster.tombstones.clear()
    cluster.tasks["fourth"] = {RESTORED_FROM: "task-third task-second task-first"}
    await sweeper(cluster, store).sweep()
    assert await stored(store) == {"fourth"}


def test_only_the_name_of_a_tasks_tombstone_is_a_former_uid() -> None:
    assert former_uids({"annotations": {RESTORED_FROM: "task-u-1 task-u-0"}}) == ["u-1", "u-0"]
    assert former_uids({"annotations": {RESTORED_FROM: "bot-u"}}) == []
    assert former_uids({"annotations": None}) == []
