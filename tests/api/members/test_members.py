"""Admins add members to their namespaces, over REST or with kubectl, and to no others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.api.accounts.conftest import AUTH, LogIn, SignUp, token_of
from tests.api.users import ACCOUNTS, User
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.audit import AuditLog
from tests.support.cluster_policies import without_policy
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually
from wegent_crds import members
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import ROLE_BINDINGS

GHOSTS = "/api/v1/kinds/ghosts"


def of(namespace: str, user: User | str = "") -> str:
    name = user if isinstance(user, str) else user.name
    return f"/api/v1/namespaces/{namespace}/members" + (f"/{name}" if name else "")


async def put(who: User, namespace: str, user: User | str, role: str) -> Answer:
    return await who.client.send("PUT", of(namespace, user), {"role": role})


async def listed(who: User, namespace: str) -> list[tuple[str, str, bool]]:
    found = (await who.client.get(of(namespace))).expect(200)
    return [(it["username"], it["role"], it["byAccount"]) for it in found["items"]]


async def may(user: User, namespace: str) -> tuple[bool, bool, bool]:
    """Return if a user may read, may write, and may list the members."""
    reads = await user.client.get(f"{GHOSTS}?namespace={namespace}")
    writes = await user.client.delete(f"{GHOSTS}/no-such-ghost?namespace={namespace}")
    rules = await user.client.get(of(namespace))
    assert (reads.status, rules.status) in {(200, 200), (200, 403), (403, 403)}
    return reads.status == 200, writes.status == 404, rules.status == 200


async def becomes(user: User, namespace: str, what: tuple[bool, bool, bool]) -> None:
    """Wait until the API server's own watch has seen a RoleBinding."""

    async def probe() -> bool:
        found = await may(user, namespace)
        assert found == what, found
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{user.name} may {what}")


NOTHING = (False, False, False)
RIGHTS = {"viewer": (True, False, False), "editor": (True, True, False), "admin": (True,) * 3}


async def test_an_owner_lets_others_in_changes_their_role_and_takes_them_out(
    sign_up: SignUp,
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    home = ann.home
    owner = (ann.name, "admin", True)
    assert await listed(ann, home) == [owner]
    assert await may(bob, home) == NOTHING
    for role in ("viewer", "editor", "admin", "viewer"):
        answer = (await put(ann, home, bob, role)).expect(200)
        assert answer == {"username": bob.name, "role": role, "byAccount": False}
        assert await listed(ann, home) == [owner, (bob.name, role, False)]
        await becomes(bob, home, RIGHTS[role])
    (await ann.client.delete(of(home, bob))).expect(204)
    await becomes(bob, home, NOTHING)
    assert await listed(ann, home) == [owner]
    message = (await ann.client.delete(of(home, bob))).refused(404, "NotFound")
    assert message == f"{bob.name} is not a member of the namespace {home}"
    assert await may(ann, home) == RIGHTS["admin"]


async def test_a_guest_who_is_admin_lets_others_in_and_never_the_owner_out(
    sign_up: SignUp,
) -> None:
    ann, bob, cleo = await sign_up("ann"), await sign_up("bob"), await sign_up("cleo")
    (await put(ann, ann.home, bob, "admin")).expect(200)
    await becomes(bob, ann.home, RIGHTS["admin"])
    (await put(bob, ann.home, cleo, "editor")).expect(200)
    await becomes(cleo, ann.home, RIGHTS["editor"])
    message = (await bob.client.delete(of(ann.home, ann))).refused(409, "Conflict")
    assert "the Account of" in message
    (await put(bob, ann.home, ann, "viewer")).expect(200)
    assert await may(ann, ann.home) == RIGHTS["admin"]
    (await bob.client.delete(of(ann.home, ann))).expect(204)
    assert await may(ann, ann.home) == RIGHTS["admin"]
    assert await may(bob, cleo.home) == NOTHING
    assert await may(ann, bob.home) == NOTHING


@pytest.mark.parametrize("role", ["viewer", "editor", None])
async def test_who_is_no_admin_there_changes_nothing_and_learns_nothing(
    sign_up: SignUp, role: str | None
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    if role:
        (await put(ann, ann.home, bob, role)).expect(200)
        await becomes(bob, ann.home, RIGHTS[role])
    before = await listed(ann, ann.home)
    for answer in (
        await bob.client.get(of(ann.home)),
        await put(bob, ann.home, bob, "admin"),
        await put(bob, ann.home, "no-such-user", "admin"),
        await bob.client.delete(of(ann.home, ann)),
        await bob.client.delete(of(ann.home, "no-such-user")),
    ):
        message = answer.refused(403, "Forbidden")
        assert 'cannot list resource "rolebindings"' in message
    assert await listed(ann, ann.home) == before


async def test_a_user_who_is_not_there_is_not_let_in(sign_up: SignUp, audit: AuditLog) -> None:
    ann = await sign_up("ann")
    answer = await put(ann, ann.home, "no-such-user", "viewer")
    assert answer.refused(404, "NotFound") == "user no-such-user not found"
    mine = [it for it in audit.writes(namespace=ann.home) if it.resource == "rolebindings"]
    assert {it.name for it in mine} == {f"wegent-account-{ann.name}-admin"}


async def test_the_same_again_writes_nothing(sign_up: SignUp, audit: AuditLog) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    (await put(ann, ann.home, bob, "viewer")).expect(200)
    before = len(audit.writes(namespace=ann.home))
    (await put(ann, ann.home, bob, "viewer")).expect(200)
    assert len(audit.writes(namespace=ann.home)) == before


async def test_no_right_is_lost_on_the_way_to_another(sign_up: SignUp, audit: AuditLog) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    (await put(ann, ann.home, bob, "viewer")).expect(200)
    (await put(ann, ann.home, bob, "admin")).expect(200)
    who = f"system:serviceaccount:{ACCOUNTS}:{ann.name}"
    writes = [(it.verb, it.resource) for it in audit.writes(user=who, namespace=ann.home)]
    assert writes == [("create", "rolebindings")] * 2 + [("delete", "rolebindings")]


async def test_of_many_changes_at_once_none_locks_anybody_out(sign_up: SignUp) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    roles = ["viewer", "editor", "admin", "viewer", "editor", "admin"]
    answers = await asyncio.gather(*(put(ann, ann.home, bob, role) for role in roles))
    assert {answer.status for answer in answers} == {200}
    left = {role for name, role, _ in await listed(ann, ann.home) if name == bob.name}
    assert left
    (await put(ann, ann.home, bob, "viewer")).expect(200)
    assert await listed(ann, ann.home) == [
        (ann.name, "admin", True),
        (bob.name, "viewer", False),
    ]


async def test_what_the_account_gives_is_shown_and_changed_there(
    sign_up: SignUp, admin: User, namespace: str, api: Api
) -> None:
    bob = await sign_up("bob")
    grants = {"namespaces": [{"name": namespace, "role": "editor"}]}
    path = f"{AUTH}/admin/accounts/{bob.name}"
    (await admin.client.send("PATCH", path, grants)).expect(200)
    await api.settled("accounts", ACCOUNTS, bob.name)
    assert await listed(admin, namespace) == [(bob.name, "editor", True)]
    (await admin.client.delete(of(namespace, bob))).refused(409, "Conflict")
    (await put(admin, namespace, bob, "viewer")).expect(200)
    (await admin.client.delete(of(namespace, bob))).expect(204)
    assert await listed(admin, namespace) == [(bob.name, "editor", True)]


async def test_in_a_shared_namespace_all_users_are_members(admin: User, sign_up: SignUp) -> None:
    found = (await admin.client.get(of("default"))).expect(200)
    assert found["allUsers"] == "editor"
    assert "allUsers" not in (await admin.client.get(of(admin.home))).expect(200)
    bob = await sign_up("bob")
    (await bob.client.get(of("default"))).refused(403, "Forbidden")


async def test_bindings_of_others_are_not_shown(
    sign_up: SignUp, api: Api, kubectl: Kubectl
) -> None:
    ann = await sign_up("ann")
    where = f"--namespace={ann.home}"
    to = f"--serviceaccount={ACCOUNTS}:{ann.name}"
    for role, name in (("view", "mine"), ("wegent-viewer", "wegent-member-ann-viewer")):
        made = ("create", "rolebinding", name, f"--clusterrole={role}", to, where)
        (await kubectl.call(*made)).ok()
    odd = members.binding(ann.home, ACCOUNTS, ann.name, "viewer")
    odd["metadata"]["name"] = "odd"
    await api.client.request("POST", ROLE_BINDINGS.path(ann.home), body=odd)
    assert await listed(ann, ann.home) == [(ann.name, "admin", True)]


async def test_a_name_that_is_taken_by_something_else_is_said_to_be(
    sign_up: SignUp, kubectl: Kubectl
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    name = members.binding_name(bob.name, "viewer")
    role = ("--clusterrole=view", "--user=somebody")
    (await kubectl.call("create", "rolebinding", name, *role, f"-n{ann.home}")).ok()
    (await put(ann, ann.home, bob, "viewer")).refused(409, "AlreadyExists")


async def test_with_kubectl_it_is_the_same(
    sign_up: SignUp, kubectl_with: Callable[[str], Kubectl]
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    assert ann.client.token
    theirs = kubectl_with(ann.client.token)
    body = members.binding(ann.home, ACCOUNTS, bob.name, "editor")
    (await theirs.call("create", "-f", "-", stdin=body)).ok()
    assert (bob.name, "editor", False) in await listed(ann, ann.home)
    await becomes(bob, ann.home, RIGHTS["editor"])
    (await put(ann, ann.home, bob, "viewer")).expect(200)
    name = members.binding_name(bob.name, "viewer")
    (await theirs.call("delete", "rolebinding", name, f"-n{ann.home}")).ok()
    await becomes(bob, ann.home, NOTHING)


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        (of("Upper", "bob"), {"role": "viewer"}, 400, "BadRequest"),
        (of("default", "Upper"), {"role": "viewer"}, 400, "BadRequest"),
        (of("default", "a" * 51), {"role": "viewer"}, 400, "BadRequest"),
        (of("default", "bob"), {"role": "owner"}, 422, "Invalid"),
        (of("default", "bob"), {}, 422, "Invalid"),
        (of("default", "bob"), {"role": "viewer", "more": 1}, 422, "Invalid"),
        (of("no-such-namespace", "ADMIN"), {"role": "viewer"}, 404, "NotFound"),
    ],
)
async def test_what_can_not_be_is_refused(
    admin: User, path: str, body: dict[str, Any], status: int, reason: str
) -> None:
    answer = await admin.client.send("PUT", path.replace("ADMIN", admin.name), body)
    answer.refused(status, reason)


async def test_a_member_who_is_deleted_and_comes_again_is_a_stranger(
    sign_up: SignUp, admin: User, anonymous: Client, log_in: LogIn
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    (await put(ann, ann.home, bob, "admin")).expect(200)
    (await admin.client.delete(f"{AUTH}/admin/accounts/{bob.name}")).expect(204)

    async def forgotten() -> bool:
        return await listed(ann, ann.home) == [(ann.name, "admin", True)]

    await eventually(forgotten, within_s=VERDICT_WITHIN_S, what="the membership ends too")
    body = {"username": bob.name, "email": "x@example.com", "password": "another-password"}
    (await anonymous.post(f"{AUTH}/register", body)).expect(201)
    token = await token_of(log_in, bob.name, "another-password")
    assert await may(User(bob.name, anonymous.as_(token)), ann.home) == NOTHING


# Leaving


async def memberships(user: User) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (
        (await user.client.get(f"{AUTH}/me")).expect(200).get("memberships", [])
    )
    return found


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
async def test_a_member_sees_where_they_are_one_and_leaves(sign_up: SignUp, role: str) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    assert await memberships(bob) == []
    (await put(ann, ann.home, bob, role)).expect(200)

    async def seen() -> bool:
        found = await memberships(bob)
        assert found == [{"name": ann.home, "role": role}], found
        return True

    await eventually(seen, within_s=VERDICT_WITHIN_S, what="the membership in /auth/me")
    await becomes(bob, ann.home, RIGHTS[role])
    (await bob.client.delete(of(ann.home, bob))).expect(204)
    await becomes(bob, ann.home, NOTHING)
    assert await listed(ann, ann.home) == [(ann.name, "admin", True)]
    message = (await bob.client.delete(of(ann.home, bob))).refused(404, "NotFound")
    assert message == f"{bob.name} is not a member of the namespace {ann.home}"

    async def gone() -> bool:
        return await memberships(bob) == []

    await eventually(gone, within_s=VERDICT_WITHIN_S, what="no membership in /auth/me")


async def test_nobody_leaves_for_somebody_else(sign_up: SignUp, audit: AuditLog) -> None:
    ann, bob, cleo = await sign_up("ann"), await sign_up("bob"), await sign_up("cleo")
    for user in (bob, cleo):
        (await put(ann, ann.home, user, "editor")).expect(200)
    (await bob.client.delete(of(ann.home, cleo))).refused(403, "Forbidden")
    (await bob.client.delete(of(ann.home, ann))).refused(403, "Forbidden")
    assert (cleo.name, "editor", False) in await listed(ann, ann.home)
    proxy = "system:serviceaccount:wegent-system:wegent-api"
    assert not [it for it in audit.writes(user=proxy) if it.resource == "rolebindings"]
    for nowhere in (bob.home, cleo.home, "kube-system", "no-such-namespace"):
        answer = await cleo.client.delete(of(nowhere, cleo))
        assert answer.status in {404, 409}, nowhere  # her account gives her own


async def test_what_the_account_gives_is_not_left(
    sign_up: SignUp, admin: User, namespace: str, api: Api
) -> None:
    bob = await sign_up("bob")
    grants = {"namespaces": [{"name": namespace, "role": "viewer"}]}
    path = f"{AUTH}/admin/accounts/{bob.name}"
    (await admin.client.send("PATCH", path, grants)).expect(200)
    await api.settled("accounts", ACCOUNTS, bob.name)
    message = (await bob.client.delete(of(namespace, bob))).refused(409, "Conflict")
    assert "the Account of" in message


async def test_the_proxy_deletes_no_other_bindings(
    sign_up: SignUp, proxy_kubeconfig: Path, control_plane: ControlPlane
) -> None:
    """The policy holds even if an attacker controls the proxy."""
    ann = await sign_up("ann")
    itself = Kubectl(control_plane.binaries.kubectl, proxy_kubeconfig)
    for name, where in ((f"wegent-account-{ann.name}-admin", ann.home), ("wegent-api", ACCOUNTS)):
        done = await itself.call("delete", "rolebinding", name, f"-n{where}")
        assert "can delete only RoleBindings that are named wegent-member-" in done.stderr


# Finalizers; memberships have them only on a cluster of an earlier version


@pytest.fixture
async def held(sign_up: SignUp, api: Api) -> AsyncIterator[tuple[User, User]]:
    """Two users: the second is a member at the first, by a binding with a finalizer."""
    ann, bob = await sign_up("ann"), await sign_up("bob")
    body = members.binding(ann.home, ACCOUNTS, bob.name, "editor")
    body["metadata"]["finalizers"] = ["example.com/held"]
    path = ROLE_BINDINGS.path(ann.home)

    async def trial() -> None:
        await api.client.request("POST", path, body=body, params={"dryRun": "All"})

    async with without_policy(api, "wegent-bindings", trial):
        await api.client.request("POST", path, body=body)
    await becomes(bob, ann.home, RIGHTS["editor"])
    yield ann, bob
    await api.client.request(
        "PATCH",
        ROLE_BINDINGS.path(ann.home, body["metadata"]["name"]),
        body={"metadata": {"finalizers": None}},
        content_type=MERGE_PATCH,
    )


async def test_a_membership_that_finalizers_hold_is_taken_all_the_same(
    held: tuple[User, User],
) -> None:
    ann, bob = held
    (await ann.client.delete(of(ann.home, bob))).expect(204)
    assert await listed(ann, ann.home) == [(ann.name, "admin", True)]
    await becomes(bob, ann.home, NOTHING)


async def test_one_that_can_not_be_taken_is_not_said_to_be(
    held: tuple[User, User], operator: OperatorProcess
) -> None:
    ann, bob = held
    assert operator.stop() == 0
    try:
        message = (await ann.client.delete(of(ann.home, bob))).refused(409, "Conflict")
        assert f"{bob.name} still has the role editor" in message
        assert "example.com/held" in message
        (await put(ann, ann.home, bob, "viewer")).refused(409, "Conflict")
        assert await may(bob, ann.home) == RIGHTS["editor"]
    finally:
        operator.start()
    await becomes(bob, ann.home, RIGHTS["viewer"])
