"""Creators of objects on a cluster without the policy that records them."""

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.api.objects import BASE, ghost
from tests.api.users import ACCOUNTS, User, role_binding, unique
from tests.support.audit import AuditLog
from tests.support.cluster import installed_plane
from tests.support.identity import kubectl_as, token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client, ProxyProcess
from tests.support.waiting import eventually
from wegent_crds.registry import API_VERSION
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, CREATOR, DELETED_BY, RESTORED_FROM
from wegent_kube.content_types import APPLY_PATCH, MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"
MUTATING = "policies/mutating.yaml"


@pytest.fixture(scope="module")
def old_plane(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A cluster with all of Wegent's manifests but the mutating policies."""
    directory = tmp_path_factory.mktemp("old")
    config = shutil.copytree(CHECKOUT / "config", directory / "config")
    (config / MUTATING).unlink()
    manifests = (CHECKOUT / "crds", config)
    with installed_plane(binaries, directory / "cluster", manifests, audit=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def old_kubectl(old_plane: ControlPlane) -> Kubectl:
    return Kubectl(old_plane.binaries.kubectl, old_plane.kubeconfig)


@pytest.fixture(scope="module")
async def alice_and_bob(
    old_plane: ControlPlane, old_kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[User, User]]:
    """Two users of a proxy on that cluster."""
    directory = tmp_path_factory.mktemp("old-proxy")
    itself = kubectl_as(old_plane, old_kubectl, "wegent-system", "wegent-api", directory)
    group = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Group",
        "name": f"system:serviceaccounts:{ACCOUNTS}",
    }
    old_kubectl.run("create", "-f", "-", stdin=role_binding("default", group)).ok()
    async with aiohttp.ClientSession() as session:
        with ProxyProcess(itself.kubeconfig, directory / "log") as proxy:
            client = Client(session, proxy.url)
            users = []
            for name in ("alice", "bob"):
                old_kubectl.run("create", "serviceaccount", name, f"--namespace={ACCOUNTS}").ok()
                users.append(User(name, client.as_(token_for(old_kubectl, ACCOUNTS, name))))
            yield users[0], users[1]
            assert "the proxy records creators itself" in proxy.logged()


def manifest(name: str, prompt: str = "You help.", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "Ghost", **ghost(name, prompt, **metadata)}


def marks(body: dict[str, Any]) -> dict[str, str]:
    annotations = body["metadata"].get("annotations", {})
    return {key: annotations[key] for key in (CREATED_BY, CREATOR) if key in annotations}


def by(user: User) -> dict[str, str]:
    return {CREATED_BY: user.account, CREATOR: user.name}


async def test_each_way_to_create_notes_who_it_was(alice_and_bob: tuple[User, User]) -> None:
    alice, _ = alice_and_bob
    one, two, three, four = (unique("made") for _ in range(4))
    created = await alice.client.post(GHOSTS, ghost(one, annotations={"mine": "stays"}))
    assert marks(created.expect(201)) == by(alice)
    assert created.json["metadata"]["annotations"]["mine"] == "stays"
    put = await alice.client.put(f"{GHOSTS}/{two}", ghost(two), headers={"If-None-Match": "*"})
    assert marks(put.expect(201)) == by(alice)
    applied = await alice.client.patch(f"{GHOSTS}/{three}", ghost(three), type_=APPLY_PATCH)
    assert marks(applied.expect(201)) == by(alice)
    (await alice.client.post("/api/v1/apply", manifest(four))).expect(200)
    assert marks((await alice.client.get(f"{GHOSTS}/{four}")).expect(200)) == by(alice)


async def test_somebody_elses_change_keeps_it(alice_and_bob: tuple[User, User]) -> None:
    alice, bob = alice_and_bob
    for create in ("POST", "PATCH"):
        name = unique("kept")
        path = f"{GHOSTS}/{name}"
        if create == "POST":
            (await alice.client.post(GHOSTS, ghost(name))).expect(201)
        else:
            (await alice.client.patch(path, ghost(name), type_=APPLY_PATCH)).expect(201)
        for number, prompt in enumerate(("Two.", "Three.")):
            who = (bob, alice)[number]
            changes = [
                await who.client.put(path, ghost(name, prompt)),
                await who.client.patch(
                    f"{path}?force=true", ghost(name, f"{prompt}."), type_=APPLY_PATCH
                ),
                await who.client.patch(path, {"spec": {"description": prompt}}, type_=MERGE_PATCH),
            ]
            for answer in changes:
                assert marks(answer.expect(200)) == by(alice)
            query = "?force=true"
            answer = await who.client.post(f"/api/v1/apply{query}", manifest(name, f"{prompt}!"))
            assert answer.expect(200)["items"][0]["result"] == "configured"
            answer = await who.client.post(f"/api/v1/apply{query}", manifest(name, f"{prompt}!"))
            assert answer.expect(200)["items"][0]["result"] == "unchanged"
        assert marks((await alice.client.get(path)).expect(200)) == by(alice)


async def test_a_copied_object_gets_its_real_creator(
    alice_and_bob: tuple[User, User], old_kubectl: Kubectl
) -> None:
    alice, bob = alice_and_bob
    copied = by(bob) | {CHANGED_BY: "x", RESTORED_FROM: "y", DELETED_BY: "z", "mine": "stays"}
    one, two, three = (unique("copied") for _ in range(3))
    created = await alice.client.post(GHOSTS, ghost(one, annotations=copied))
    assert created.expect(201)["metadata"]["annotations"] == by(alice) | {"mine": "stays"}
    path = f"{GHOSTS}/{two}"
    applied = await alice.client.patch(path, ghost(two, annotations=copied), type_=APPLY_PATCH)
    assert applied.expect(201)["metadata"]["annotations"] == by(alice) | {"mine": "stays"}
    body = manifest(three, annotations={CREATED_BY: bob.account})
    (await alice.client.post("/api/v1/apply", body)).expect(200)
    assert marks((await alice.client.get(f"{GHOSTS}/{three}")).expect(200)) == by(alice)
    # Nothing overwrites the annotation of a kubectl user: the validating policy refuses it.
    refused = await old_kubectl.call(
        "create",
        "-f",
        "-",
        f"--as={alice.account}",
        stdin=manifest(unique("copied"), annotations=by(bob)),
    )
    assert "are set by the API server" in refused.stderr


async def test_with_the_verb_a_backup_keeps_its_creators(
    alice_and_bob: tuple[User, User], old_kubectl: Kubectl
) -> None:
    alice, bob = alice_and_bob
    role = unique("keeper")
    rule = ("--verb=keep-creator", "--resource=tombstones.agent.wecode.io")
    (await old_kubectl.call("create", "role", role, *rule)).ok()
    to = (f"--role={role}", f"--serviceaccount={ACCOUNTS}:{alice.name}")
    (await old_kubectl.call("create", "rolebinding", role, *to)).ok()
    try:
        saved = by(bob) | {CHANGED_BY: "x"}
        given = {CREATED_BY: bob.account, CHANGED_BY: "x", RESTORED_FROM: "y"}

        async def kept() -> bool:
            body = ghost(unique("saved"), annotations=given)
            created = (await alice.client.post(GHOSTS, body)).expect(201)
            assert created["metadata"]["annotations"] == saved
            return True

        await eventually(kept, within_s=30, what="the verb to be given")
    finally:
        (await old_kubectl.call("delete", "rolebinding", role)).ok()


async def test_nobody_says_they_are_somebody_else(
    alice_and_bob: tuple[User, User], old_kubectl: Kubectl
) -> None:
    """The validating policy refuses; it is installed without the mutating ones."""
    alice, bob = alice_and_bob
    name = unique("forged")
    (await alice.client.post(GHOSTS, ghost(name))).expect(201)
    patch = {"metadata": {"annotations": by(bob)}}
    changed = await bob.client.patch(f"{GHOSTS}/{name}", patch, type_=MERGE_PATCH)
    changed.refused(403, "Forbidden")
    for mark in (CHANGED_BY, DELETED_BY, RESTORED_FROM):
        patch = {"metadata": {"annotations": {mark: alice.account}}}
        changed = await bob.client.patch(f"{GHOSTS}/{name}", patch, type_=MERGE_PATCH)
        assert mark in changed.refused(403, "Forbidden")
    # The loss without the policy: a creator who bypasses the proxy isn't recorded.
    name = unique("by-hand")
    (await old_kubectl.call("create", "-f", "-", stdin=manifest(name))).ok()
    assert marks((await alice.client.get(f"{GHOSTS}/{name}")).expect(200)) == {}


async def test_with_the_policy_there_is_nothing_to_do(user: User, audit: AuditLog) -> None:
    name = unique("policy")
    # A token's first write looks up its user, for the field manager's name.
    (await user.client.post(GHOSTS, ghost(unique("first")))).expect(201)
    mark = len(audit.requests(user=user.account))
    (await user.client.post(GHOSTS, ghost(name))).expect(201)
    (await user.client.put(f"{GHOSTS}/{name}", ghost(name, "Two."))).expect(200)
    asked = [(it.verb, it.resource) for it in audit.requests(user=user.account)[mark:]]
    assert ("create", "selfsubjectreviews") not in asked
    assert len(asked) == 3, "the PUT looks for the version that is there"
    assert marks((await user.client.get(f"{GHOSTS}/{name}")).expect(200)) == by(user)
