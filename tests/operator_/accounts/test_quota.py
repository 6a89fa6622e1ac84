"""A user can't fill the cluster: the ResourceQuota of each user's own namespace."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from tests.operator_.trash.obstacles import hangs
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.cluster import installed_plane
from tests.support.identity import kubectl_as, operator_kubeconfig_of
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import KINDS
from wegent_kube import ApiError, KubeClient, load_connection
from wegent_kube.resources import RESOURCE_QUOTAS
from wegent_operator.accounts.quota import QUOTA_NAME, Counted, counted
from wegent_operator.settings import ACCOUNT_QUOTA

ACCOUNTS = "wegent-accounts"
COUNTED_WITHIN_S = 90.0
"""The controller manager of a new cluster learns of Wegent's kinds within half a minute."""


@pytest.fixture
def user() -> str:
    return f"q{uuid.uuid4().hex[:8]}"


async def quota_of(api: Api, user: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = await api.find(RESOURCE_QUOTAS, f"wegent-{user}", QUOTA_NAME)
    return found


async def in_force(
    api: Api, user: str, names: Collection[str] = tuple(ACCOUNT_QUOTA)
) -> dict[str, Any]:
    """Wait until all resources are limited; in a new cluster, a quota of some comes first."""

    async def probe() -> dict[str, Any] | None:
        quota = await quota_of(api, user)
        whole = quota and counted(quota) is Counted.WHOLLY
        return quota if quota and whole and quota["spec"]["hard"].keys() == set(names) else None

    found = await eventually(probe, within_s=COUNTED_WITHIN_S, what="the quota to be counted")
    assert found is not None
    return found


def test_every_kind_that_users_write_is_limited() -> None:
    limited = {name.removeprefix("count/").split(".")[0] for name in ACCOUNT_QUOTA}
    assert {kind.plural for kind in KINDS if kind.user_facing} <= limited
    assert {"tombstones", "rolebindings"} <= limited


@pytest.mark.usefixtures("operator")
async def test_a_full_namespace_is_said_to_be_full_and_its_owner_can_t_change_that(
    api: Api, user: str, control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> None:
    await api.create("accounts", ACCOUNTS, user, {"email": f"{user}@example.com"})
    await api.settled("accounts", ACCOUNTS, user)
    assert (await in_force(api, user))["spec"]["hard"] == {
        name: str(count) for name, count in ACCOUNT_QUOTA.items()
    }
    owner = kubectl_as(control_plane, kubectl, ACCOUNTS, user, tmp_path)
    home = f"--namespace=wegent-{user}"
    shells = [
        {
            "apiVersion": "agent.wecode.io/v1",
            "kind": "Shell",
            "metadata": {"name": f"s{number}"},
            "spec": {"type": "Chat"},
        }
        for number in range(51)
    ]
    body = {"apiVersion": "v1", "kind": "List", "items": shells}
    refused = await owner.call("create", "-f", "-", home, stdin=body)
    assert "exceeded quota: wegent-account" in refused.stderr
    assert "limited: count/shells.agent.wecode.io=50" in refused.stderr
    for command in (("delete", "quota", QUOTA_NAME), ("edit", "quota", QUOTA_NAME)):
        assert "Forbidden" in (await owner.call(*command, home)).stderr


@pytest.mark.usefixtures("operator")
async def test_a_quota_that_was_changed_or_deleted_by_hand_is_put_back(api: Api, user: str) -> None:
    await api.create("accounts", ACCOUNTS, user, {"email": f"{user}@example.com"})
    await api.settled("accounts", ACCOUNTS, user)
    before = await in_force(api, user)
    path = RESOURCE_QUOTAS.path(f"wegent-{user}", QUOTA_NAME)
    patch = {"spec": {"hard": {"count/ghosts.agent.wecode.io": "1000000"}}}
    await api.client.request("PATCH", path, body=patch, content_type="application/merge-patch+json")

    async def as_before() -> bool:
        now = await quota_of(api, user)
        return now is not None and now["spec"] == before["spec"]

    await eventually(as_before, within_s=VERDICT_WITHIN_S, what="the quota as it was")
    await api.client.request("DELETE", path)
    await eventually(as_before, within_s=VERDICT_WITHIN_S, what="the quota to be there again")


@pytest.fixture
def small_quota(
    operator: OperatorProcess, operator_kubeconfig: Path, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """An operator with a quota of two Ghosts and two Tombstones; it replaces the usual one."""
    assert operator.stop() == 0
    small = {"ghosts": 2, "tombstones": 2}
    setting = ",".join(f"count/{name}.agent.wecode.io={count}" for name, count in small.items())
    log = tmp_path / "operator.log"
    process = OperatorProcess(operator_kubeconfig, log, account_quota=setting)
    process.start()
    yield process
    if process.running():
        process.stop()
    operator.start()


async def test_a_changed_setting_reaches_users_that_are_there(
    api: Api, user: str, operator: OperatorProcess, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    await api.create("accounts", ACCOUNTS, user, {"email": f"{user}@example.com"})
    await in_force(api, user)
    assert operator.stop() == 0
    for setting, hard in (("count/ghosts.agent.wecode.io=3", "3"), ("", None)):
        log = tmp_path / "operator.log"
        process = OperatorProcess(operator_kubeconfig, log, account_quota=setting)
        process.start()

        async def changed(hard: str | None = hard) -> bool:
            quota = await quota_of(api, user)
            wanted = hard and {"count/ghosts.agent.wecode.io": hard}
            assert (quota and quota["spec"]["hard"]) == wanted, quota
            return True

        try:
            await eventually(changed, within_s=VERDICT_WITHIN_S, what=f"a quota of {hard}")
            await api.settled("accounts", ACCOUNTS, user)
        finally:
            process.stop()
    operator.start()
    await in_force(api, user)


@pytest.mark.usefixtures("small_quota")
async def test_a_full_trash_holds_deletions_until_there_is_room_and_loses_nothing(
    api: Api, user: str, control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> None:
    await api.create("accounts", ACCOUNTS, user, {"email": f"{user}@example.com"})
    await api.settled("accounts", ACCOUNTS, user)
    await in_force(api, user, [f"count/{it}.agent.wecode.io" for it in ("ghosts", "tombstones")])
    owner = kubectl_as(control_plane, kubectl, ACCOUNTS, user, tmp_path)
    home = f"wegent-{user}"
    here = f"--namespace={home}"
    for name in ("a", "b"):
        await api.create("ghosts", home, name, {"systemPrompt": name})
        await api.delete("ghosts", home, name)
    first, second = await tombstones(api, home)
    await created(api, home, "c")
    await api.ask_to_delete("ghosts", home, "c")
    message = await hangs(api, "ghosts", home, "c")
    assert "exceeded quota: wegent-account" in message
    assert "raise the quota" in message
    # The owner makes room, and the deletion goes on.
    (await owner.call("delete", "tombstone", first, here)).ok()
    await poked_until_gone(api, "ghosts", home, "c")
    (third,) = set(await tombstones(api, home)) - {second}

    # Restored into a namespace that is full, an object stays in the trash and says so.
    for name in ("d", "e"):
        await created(api, home, name)
    wish = ("--type=merge", "-p", '{"spec":{"restore":true}}')
    (await owner.call("patch", "tombstone", second, here, *wish)).ok()
    waiting = await api.settled("tombstones", home, second, "NotRestored")
    assert "exceeded quota: wegent-account" in condition(waiting, "Ready")["message"]
    assert waiting["spec"]["object"]["spec"] == {"systemPrompt": "b"}
    (await owner.call("delete", "tombstone", third, here)).ok()
    await api.ask_to_delete("ghosts", home, "d")
    await poked_until_gone(api, "ghosts", home, "d")
    await poked_until_gone(api, "tombstones", home, second)
    back = await api.get("ghosts", home, "b")
    assert back is not None
    assert back["spec"] == {"systemPrompt": "b"}


async def tombstones(api: Api, namespace: str) -> list[str]:
    """Return the names of the Tombstones, by the names of their objects."""
    found = await api.list("tombstones", namespace)
    return [it["metadata"]["name"] for it in sorted(found, key=lambda it: str(it["spec"]["name"]))]


async def created(api: Api, namespace: str, name: str) -> None:
    """Create a Ghost as soon as the quota has counted the earlier deletions."""

    async def probe() -> bool:
        try:
            await api.create("ghosts", namespace, name, {"systemPrompt": name})
        except ApiError as error:
            if not error.is_forbidden:
                raise
            raise AssertionError(error.message) from error
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"room for {name}")


async def poked_until_gone(api: Api, plural: str, namespace: str, name: str) -> None:
    """Make the operator reconcile again until the quota has counted the free room."""

    async def probe() -> bool:
        if await api.get(plural, namespace, name) is None:
            return True
        patch = {"metadata": {"annotations": {"poked": uuid.uuid4().hex}}}
        with suppress(ApiError):
            await api.merge(plural, namespace, name, patch)
        await asyncio.sleep(0.3)
        raise AssertionError(await api.get(plural, namespace, name))

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{name} to be gone")


@pytest.fixture
async def young_cluster(binaries: Binaries, tmp_path: Path) -> AsyncIterator[Api]:
    """A cluster whose controller manager does not know Wegent's kinds yet, with the operator."""
    with installed_plane(binaries, tmp_path / "plane") as plane:
        own = operator_kubeconfig_of(plane, tmp_path)
        operator = OperatorProcess(own, tmp_path / "operator.log")
        operator.start()
        try:
            async with KubeClient(load_connection(plane.kubeconfig)) as client:
                yield Api(client)
        finally:
            operator.stop()


async def test_right_after_installing_users_can_work_and_the_quota_comes_later(
    young_cluster: Api, user: str
) -> None:
    api = young_cluster
    await api.create("accounts", ACCOUNTS, user, {"email": f"{user}@example.com"})
    await api.settled("accounts", ACCOUNTS, user)
    await api.create("ghosts", f"wegent-{user}", "g", {"systemPrompt": "You help."})
    await in_force(api, user)
    await api.create("ghosts", f"wegent-{user}", "h", {"systemPrompt": "You help."})
