"""Deleting is recoverable: for kubectl, for --all, with the operator down, killed, and back."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds.registry import BY_PLURAL
from wegent_crds.well_known import (
    CHANGED_BY,
    CREATED_BY,
    DELETED_BY,
    RESTORED_FROM,
    TOMBSTONE_OF,
    TRASH_FINALIZER,
)
from wegent_kube import ApiError, KubeClient, load_connection
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import NAMESPACES, resource_of
from wegent_operator.trash.tombstones import restored

NAMESPACE_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"
pytestmark = pytest.mark.usefixtures("operator")

GHOST = {"systemPrompt": "You help."}
BOT = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
FLEET: dict[str, tuple[str, dict[str, Any]]] = {
    "teams": ("t", {"bots": [{"name": "b"}]}),
    "bots": ("b", BOT),
    "ghosts": ("g", GHOST | {"skillRefs": [{"name": "k"}]}),
    "skills": ("k", {"description": "Reviews a diff"}),
    "models": ("m", {"provider": "openai", "model": "gpt-4"}),
    "shells": ("s", {"type": "Chat"}),
}


async def tombstones(api: Api, namespace: str, count: int) -> list[dict[str, Any]]:
    """Wait until there are so many Tombstones, and return them, the oldest first."""
    found: list[dict[str, Any]] = []

    async def probe() -> bool:
        found[:] = await api.list("tombstones", namespace)
        assert len(found) == count, [item["spec"]["name"] for item in found]
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{count} Tombstones")
    return sorted(found, key=lambda item: int(item["metadata"]["resourceVersion"]))


async def restore(api: Api, namespace: str, tombstone: dict[str, Any]) -> None:
    name = tombstone["metadata"]["name"]
    await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})


async def test_what_is_deleted_is_kept_as_it_was(api: Api, namespace: str) -> None:
    marks = {"labels": {"app": "x"}, "annotations": {"note": "y"}}
    await api.create("ghosts", namespace, "g", GHOST, **marks)
    before = await api.settled("ghosts", namespace, "g")
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    spec = tombstone["spec"]
    assert (spec["kind"], spec["name"], spec["restore"]) == ("Ghost", "g", False)
    # Of the object's own labels and annotations none: they would let others prune the Tombstone.
    assert tombstone["metadata"]["labels"] == {TOMBSTONE_OF: "ghosts"}
    assert "annotations" not in tombstone["metadata"]
    assert tombstone["metadata"]["name"] == f"ghost-{before['metadata']['uid']}"
    kept = spec["object"]
    assert kept["spec"] == before["spec"]
    assert kept["status"] == before["status"]
    for field in ("uid", "labels", "annotations", "creationTimestamp"):
        assert kept["metadata"][field] == before["metadata"][field]
    kept_for = datetime.fromisoformat(spec["expiresAt"]) - datetime.fromisoformat(spec["deletedAt"])
    assert timedelta(days=30) <= kept_for < timedelta(days=30, minutes=1)
    await api.settled("tombstones", namespace, tombstone["metadata"]["name"])


async def test_restored_it_has_its_spec_labels_annotations_and_creator(
    api: Api, namespace: str
) -> None:
    marks = {"labels": {"app": "x"}, "annotations": {"note": "y"}}
    await api.create("ghosts", namespace, "g", GHOST, **marks)
    before = await api.settled("ghosts", namespace, "g")
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    await restore(api, namespace, tombstone)
    after = await api.settled("ghosts", namespace, "g")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == {"app": "x"}
    annotations = after["metadata"]["annotations"]
    assert annotations.pop(RESTORED_FROM) == tombstone["metadata"]["name"]
    assert annotations == before["metadata"]["annotations"]
    assert annotations[CREATED_BY]
    assert after["metadata"]["finalizers"] == [TRASH_FINALIZER]
    await tombstones(api, namespace, 0)


async def test_a_forged_mark_does_not_pass_for_what_was_restored(
    api: Api, kubectl: Kubectl, namespace: str
) -> None:
    """Also where no policy keeps the mark from being forged."""
    await api.create("ghosts", namespace, "g", GHOST)
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    name = tombstone["metadata"]["name"]
    forged = {RESTORED_FROM: name}
    made = await api.create("ghosts", namespace, "g", {"systemPrompt": "X"}, annotations=forged)
    assert RESTORED_FROM not in made["metadata"]["annotations"]
    # The operator is the only one who is let through.
    path = resource_of(BY_PLURAL["ghosts"]).path(namespace, "g")
    binding = "validatingadmissionpolicybindings/wegent-creator"
    saved = (await kubectl.call("get", binding, "-o", "json")).ok().json
    del saved["metadata"]["resourceVersion"], saved["metadata"]["uid"]
    (await kubectl.call("delete", binding)).ok()
    try:

        async def is_forged() -> bool:
            body = await api.client.request(
                "PATCH", path, body={"metadata": {"annotations": forged}}, content_type=MERGE_PATCH
            )
            return bool(body["metadata"]["annotations"][RESTORED_FROM] == name)

        async def no_policy() -> bool:
            try:
                return await is_forged()
            except ApiError as error:
                raise AssertionError(error.message) from error

        await eventually(no_policy, within_s=30, what="the policy to be gone")
    finally:
        (await kubectl.call("create", "-f", "-", stdin=saved)).ok()
    await restore(api, namespace, tombstone)
    await api.settled("tombstones", namespace, name, "NameTaken")
    body = await api.get("ghosts", namespace, "g")
    assert body is not None
    assert body["spec"]["systemPrompt"] == "X"

    async def policy() -> bool:
        patch = {"metadata": {"annotations": {RESTORED_FROM: "another"}}}
        dry_run = {"dryRun": "All"}
        try:
            await api.client.request(
                "PATCH", path, body=patch, content_type=MERGE_PATCH, params=dry_run
            )
        except ApiError as error:
            return error.is_forbidden
        return False

    await eventually(policy, within_s=30, what="the policy to be in force again")
    await api.ask_to_delete("ghosts", namespace, "g")

    async def back() -> bool:
        found = await api.get("ghosts", namespace, "g")
        return found is not None and found["spec"] == GHOST

    await eventually(back, within_s=VERDICT_WITHIN_S, what="the one that was wanted back")
    await tombstones(api, namespace, 1)


async def test_what_was_restored_before_a_crash_is_known_again(
    api: Api, namespace: str, operator: OperatorProcess, operator_kubeconfig: Path
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    assert operator.stop() == 0
    # It had made the object, and was killed before it deleted the Tombstone.
    async with KubeClient(load_connection(operator_kubeconfig)) as client:
        path = resource_of(BY_PLURAL["ghosts"]).path(namespace)
        await client.request("POST", path, body=restored(tombstone))
    await restore(api, namespace, tombstone)
    operator.start()
    await tombstones(api, namespace, 0)
    await api.settled("ghosts", namespace, "g")


async def test_the_tombstone_names_the_user_who_asked_for_the_deletion(
    api: Api, namespace: str, kubectl: Kubectl
) -> None:
    whoami = (await kubectl.call("auth", "whoami", "-o", "json")).ok().json
    me = whoami["status"]["userInfo"]["username"]
    await api.create("ghosts", namespace, "g", GHOST)
    await api.merge("ghosts", namespace, "g", {"metadata": {"annotations": {DELETED_BY: me}}})
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    assert tombstone["spec"]["deletedBy"] == me
    assert DELETED_BY not in tombstone["spec"]["object"]["metadata"]["annotations"]
    await restore(api, namespace, tombstone)
    back = await api.settled("ghosts", namespace, "g")
    assert DELETED_BY not in back["metadata"]["annotations"]
    await tombstones(api, namespace, 0)
    # kubectl leaves no name behind.
    (await kubectl.call("delete", "ghost", "g", f"--namespace={namespace}")).ok()
    (tombstone,) = await tombstones(api, namespace, 1)
    assert "deletedBy" not in tombstone["spec"]


async def test_a_changed_object_comes_back_with_the_user_who_changed_it(
    api: Api, namespace: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.merge("ghosts", namespace, "g", {"spec": {"systemPrompt": "Two."}})
    changed = await api.get("ghosts", namespace, "g")
    assert changed is not None
    changer = changed["metadata"]["annotations"][CHANGED_BY]
    assert changer == changed["metadata"]["annotations"][CREATED_BY]
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    await restore(api, namespace, tombstone)
    back = await api.settled("ghosts", namespace, "g")
    assert back["metadata"]["annotations"][CHANGED_BY] == changer


async def test_kubectl_delete_and_delete_all(api: Api, kubectl: Kubectl, namespace: str) -> None:
    for number in range(5):
        await api.create("ghosts", namespace, f"g{number}", GHOST)
    here = f"--namespace={namespace}"
    (await kubectl.call("delete", "ghost", "g0", here)).ok()
    flags = ("--force", "--grace-period=0")
    (await kubectl.call("delete", "ghost", "g1", here, *flags)).ok()
    (await kubectl.call("delete", "ghost", "g2", here, "--cascade=orphan")).ok()
    (await kubectl.call("delete", "ghosts", "--all", here)).ok()
    kept = await tombstones(api, namespace, 5)
    assert {item["spec"]["name"] for item in kept} == {f"g{number}" for number in range(5)}
    listed = (await kubectl.call("get", "tomb", here)).ok().stdout
    assert listed.count("\nghost-") == 5
    assert "g3" in listed


async def test_with_the_operator_down_the_deletion_waits(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    assert operator.stop() == 0
    await api.ask_to_delete("ghosts", namespace, "g")
    pending = await api.get("ghosts", namespace, "g")
    assert pending is not None
    assert pending["metadata"]["deletionTimestamp"]
    operator.start()
    await api.gone("ghosts", namespace, "g")
    await tombstones(api, namespace, 1)


async def test_killed_again_and_again_nothing_is_lost_or_doubled(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    count = 120
    await asyncio.gather(
        *(api.create("ghosts", namespace, f"g{number}", GHOST) for number in range(count))
    )
    deletions = asyncio.gather(
        *(api.ask_to_delete("ghosts", namespace, f"g{number}") for number in range(count))
    )
    for round_ in range(4):
        await asyncio.sleep(0.05 * round_)
        operator.kill()
        await asyncio.to_thread(operator.start)
    await deletions

    async def all_gone() -> bool:
        left = await api.list("ghosts", namespace)
        assert not left, len(left)
        return True

    await eventually(all_gone, within_s=2 * VERDICT_WITHIN_S, what="every Ghost to be gone")
    kept = await tombstones(api, namespace, count)
    assert {item["spec"]["name"] for item in kept} == {f"g{number}" for number in range(count)}


async def test_the_same_name_twice_is_two_tombstones(api: Api, namespace: str) -> None:
    for prompt in ("One.", "Two."):
        await api.create("ghosts", namespace, "g", {"systemPrompt": prompt})
        await api.delete("ghosts", namespace, "g")
    first, second = await tombstones(api, namespace, 2)
    await restore(api, namespace, first)
    back = await api.settled("ghosts", namespace, "g")
    assert back["spec"]["systemPrompt"] == "One."
    await restore(api, namespace, second)
    name = second["metadata"]["name"]
    taken = await api.settled("tombstones", namespace, name, "NameTaken")
    assert f"a Ghost named {namespace}/g" in condition(taken, "Ready")["message"]
    await api.ask_to_delete("ghosts", namespace, "g")

    async def the_other_is_back() -> bool:
        body = await api.get("ghosts", namespace, "g")
        assert body is not None, "it is not back yet"
        return bool(body["spec"]["systemPrompt"] == "Two.")

    await eventually(
        the_other_is_back, within_s=VERDICT_WITHIN_S, what="the name free, the other back"
    )


@pytest.mark.parametrize("order", [list(FLEET), list(reversed(FLEET))], ids=["top", "bottom"])
async def test_a_whole_team_comes_back_in_any_order(
    api: Api, kubectl: Kubectl, namespace: str, order: list[str]
) -> None:
    label = {"labels": {"fleet": "one"}}
    for plural, (name, spec) in FLEET.items():
        await api.create(plural, namespace, name, spec, **label)
    for plural, (name, _) in FLEET.items():
        await api.settled(plural, namespace, name)
    await api.create("ghosts", namespace, "other", GHOST)
    for plural, (name, _) in FLEET.items():
        await api.delete(plural, namespace, name)
    await api.delete("ghosts", namespace, "other")
    await tombstones(api, namespace, len(FLEET) + 1)
    here = f"--namespace={namespace}"
    patch = json.dumps({"spec": {"restore": True}})
    for plural in order:
        # As in docs/trash.md: labels are those of the object that the Tombstone holds.
        path = "{range .items[?(@.spec.object.metadata.labels.fleet=='one')]}{.metadata.name} {end}"
        listing = (f"--selector={TOMBSTONE_OF}={plural}", "-o", f"jsonpath={path}")
        found = (await kubectl.call("get", "tomb", here, *listing)).ok().stdout.split()
        names = [f"tombstone/{name}" for name in found]
        assert len(names) == 1
        (await kubectl.call("patch", here, *names, "--type=merge", "-p", patch)).ok()
    for plural, (name, _) in FLEET.items():
        await api.settled(plural, namespace, name)
    (left,) = await tombstones(api, namespace, 1)
    assert left["spec"]["name"] == "other"


async def test_tombstones_expire(
    api: Api, namespace: str, operator: OperatorProcess, operator_kubeconfig: Path
) -> None:
    assert operator.stop() == 0
    hasty = OperatorProcess(
        operator_kubeconfig, operator_kubeconfig.with_name("hasty.log"), trash_retention_s="2"
    )
    hasty.start()
    try:
        await api.create("ghosts", namespace, "g", GHOST)
        await api.delete("ghosts", namespace, "g")
        await tombstones(api, namespace, 0)
    finally:
        assert hasty.stop() == 0
        operator.start()


async def test_what_a_quota_refuses_comes_back_when_there_is_room(api: Api, namespace: str) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.delete("ghosts", namespace, "g")
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/ghosts.agent.wecode.io": "0"}}}
    await api.client.request("POST", quotas, body=quota)

    async def in_force() -> bool:
        found = await api.client.request("GET", f"{quotas}/none")
        return bool(found.get("status", {}).get("hard"))

    await eventually(in_force, within_s=VERDICT_WITHIN_S, what="the quota in force")
    (tombstone,) = await tombstones(api, namespace, 1)
    await restore(api, namespace, tombstone)
    name = tombstone["metadata"]["name"]
    refused = await api.settled("tombstones", namespace, name, "NotRestored")
    assert "exceeded quota" in condition(refused, "Ready")["message"]
    await api.client.request("DELETE", f"{quotas}/none")
    await api.settled("ghosts", namespace, "g")
    await tombstones(api, namespace, 0)


async def test_a_purged_tombstone_is_gone_for_good(api: Api, namespace: str) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, 1)
    await api.delete("tombstones", namespace, tombstone["metadata"]["name"])
    await tombstones(api, namespace, 0)


async def test_the_largest_object_is_kept(api: Api, namespace: str) -> None:
    skill = {"description": "d" * 1024, "content": "\N{GRINNING FACE}" * 131_072}
    annotations = {f"note-{number}": "n" * 60_000 for number in range(4)}
    await api.create("skills", namespace, "k", skill, annotations=annotations)
    await api.settled("skills", namespace, "k")
    await api.delete("skills", namespace, "k")
    (tombstone,) = await tombstones(api, namespace, 1)
    await restore(api, namespace, tombstone)
    back = await api.settled("skills", namespace, "k")
    assert back["spec"]["content"] == skill["content"]


async def test_an_object_older_than_the_policy_is_held_too(
    api: Api, kubectl: Kubectl, namespace: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    strip = json.dumps([{"op": "remove", "path": "/metadata/finalizers"}])
    here = f"--namespace={namespace}"
    (await kubectl.call("patch", "ghost", "g", here, "--type=json", "-p", strip)).ok()

    async def held() -> bool:
        body = await api.get("ghosts", namespace, "g")
        assert body is not None
        return bool(body["metadata"].get("finalizers") == [TRASH_FINALIZER])

    await eventually(held, within_s=VERDICT_WITHIN_S, what="the finalizer to be back")


async def test_a_namespace_that_goes_is_not_held_up(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    await asyncio.gather(
        *(api.create("ghosts", namespace, f"g{number}", GHOST) for number in range(200))
    )
    await api.client.request("DELETE", NAMESPACES.path(None, namespace))

    async def gone() -> bool:
        listed = await api.client.request("GET", NAMESPACES.path())
        return namespace not in {item["metadata"]["name"] for item in listed["items"]}

    await eventually(gone, within_s=120, what=f"namespace {namespace} to be gone")
    # The namespace controller begins some seconds after the namespace is marked. It deletes
    # objects without finalizers at once, and comes back later for objects with a finalizer.
    order = [
        write.user
        for write in audit.writes(namespace=namespace)
        if write.resource == "ghosts"
        and (write.user == NAMESPACE_CONTROLLER or (write.verb, write.subresource) == ("patch", ""))
    ]
    assert order.count(OPERATOR_USER) == 200
    assert order.index(NAMESPACE_CONTROLLER) == 200, "every finalizer goes before it begins"
