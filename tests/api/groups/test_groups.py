"""Admins make namespaces for groups, over REST or with kubectl, and users work in theirs."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.accounts.conftest import (
    AUTH,
    LogIn,
    SignUp,
    admin,
    kubectl_with,
    log_in,
    sign_up,
    token_of,
)
from tests.api.objects import BASE, ghost
from tests.api.users import ACCOUNTS, User, unique
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_kube.content_types import MERGE_PATCH

NAMESPACES = "/api/v1/namespaces"
NONE, READS, WRITES = (False, False), (True, False), (True, True)
__all__ = ["admin", "kubectl_with", "log_in", "sign_up"]


@pytest.fixture
def group() -> str:
    return unique("group")


def member(user: User, role: str) -> dict[str, str]:
    return {"username": user.name, "role": role}


async def rights(user: User, namespace: str) -> tuple[bool, bool]:
    """Return whether a user may read, and may write."""
    reads = await user.client.get(f"{BASE}/ghosts?namespace={namespace}")
    writes = await user.client.delete(f"{BASE}/ghosts/no-such-ghost?namespace={namespace}")
    assert reads.status in (200, 403)
    return reads.status == 200, writes.status == 404


async def become(user: User, namespace: str, expected: tuple[bool, bool]) -> None:
    async def probe() -> bool:
        found = await rights(user, namespace)
        assert found == expected, found
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"the rights of {user.name}")


async def listed(user: User) -> dict[str, dict[str, Any]]:
    found = (await user.client.get(NAMESPACES)).expect(200)
    assert [it["name"] for it in found["items"]] == sorted(it["name"] for it in found["items"])
    return {it["name"]: it for it in found["items"]}


async def test_an_admin_makes_a_namespace_and_two_users_work_in_it(
    admin: User, sign_up: SignUp, group: str
) -> None:
    ann, bob, cleo = [await sign_up(it) for it in ("ann", "bob", "cleo")]
    body = {
        "name": group,
        "displayName": "Platform",
        "members": [member(ann, "admin"), member(bob, "viewer")],
        "quota": {"count/ghosts.agent.wecode.io": 5},
        "limits": {"tokensPerDay": 1000},
    }
    answer = await admin.client.post(NAMESPACES, body)
    made = answer.expect(201)
    assert answer.headers["Location"] == f"{NAMESPACES}/{group}"
    assert (made["ready"], made["reason"]) == (True, "Ready"), made
    assert [(it["username"], it["role"]) for it in made["members"]] == [
        (ann.name, "admin"),
        (bob.name, "viewer"),
    ]
    assert made["quota"] == body["quota"]
    assert made["limits"] == body["limits"]
    assert made["displayName"] == "Platform"

    await become(ann, group, WRITES)
    await become(bob, group, READS)
    assert await rights(cleo, group) == NONE
    (await ann.client.post(f"{BASE}/ghosts?namespace={group}", ghost("ours"))).expect(201)

    async def seen() -> bool:
        for user, role in ((ann, "admin"), (bob, "viewer")):
            expected = {"name": group, "role": role, "sources": ["group"]}
            assert (await listed(user)).get(group) == expected
            me = (await user.client.get(f"{AUTH}/me")).expect(200)
            assert expected in me["namespaces"]
        assert (await listed(admin))[group]["displayName"] == "Platform"
        return True

    await eventually(seen, within_s=VERDICT_WITHIN_S, what="the group in everyone's list")
    assert group not in await listed(cleo)

    # A member who is an admin of the namespace lets others in, as everywhere.
    put = await ann.client.send(
        "PUT", f"{NAMESPACES}/{group}/members/{cleo.name}", {"role": "editor"}
    )
    put.expect(200)
    await become(cleo, group, WRITES)


async def test_a_removed_member_loses_the_access_and_the_group_ends(
    admin: User, sign_up: SignUp, group: str, api: Api
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    members = [member(ann, "editor"), member(bob, "editor")]
    (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    await become(ann, group, WRITES)
    await become(bob, group, WRITES)
    change = {"members": [member(bob, "viewer")], "displayName": "Two"}
    changed = await admin.client.patch(f"{NAMESPACES}/{group}", change, type_=MERGE_PATCH)
    assert changed.expect(200)["displayName"] == "Two"
    await become(ann, group, NONE)
    await become(bob, group, READS)
    nothing = {"displayName": None}
    changed = await admin.client.patch(f"{NAMESPACES}/{group}", nothing, type_=MERGE_PATCH)
    assert "displayName" not in changed.expect(200)

    await api.create("shells", group, "kept", {"type": "Chat"})
    (await admin.client.delete(f"{NAMESPACES}/{group}")).expect(204)
    await become(bob, group, NONE)
    (await admin.client.get(f"{NAMESPACES}/{group}")).refused(404, "NotFound")
    assert await api.get("shells", group, "kept") is not None
    again = (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    assert (again["ready"], again["reason"]) == (False, "NamespaceTaken")
    assert await rights(bob, group) == NONE


async def test_kubectl_makes_the_same(
    admin: User, sign_up: SignUp, group: str, kubectl_with: Callable[[str], Kubectl]
) -> None:
    ann = await sign_up("ann")
    assert admin.client.token
    kubectl = kubectl_with(admin.client.token)
    body = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Group",
        "metadata": {"name": group, "namespace": ACCOUNTS},
        "spec": {"members": [member(ann, "editor")]},
    }
    for said in ("serverside-applied", "serverside-applied"):
        done = await kubectl.call("apply", "--server-side", "-f", "-", stdin=body)
        assert said in done.ok().stdout
    await become(ann, group, WRITES)
    view = (await admin.client.get(f"{NAMESPACES}/{group}")).expect(200)
    assert view["members"][0]["accountUid"]
    wait = ("wait", "--for=condition=Ready", f"group/{group}", "-n", ACCOUNTS, "--timeout=20s")
    (await kubectl.call(*wait)).ok()


async def test_the_list_that_was_read_can_be_sent_again_and_lets_no_later_user_in(
    admin: User, sign_up: SignUp, group: str, anonymous: Client, log_in: LogIn
) -> None:
    ann = await sign_up("ann")
    (
        await admin.client.post(NAMESPACES, {"name": group, "members": [member(ann, "editor")]})
    ).expect(201)
    await become(ann, group, WRITES)
    (await admin.client.delete(f"{AUTH}/admin/accounts/{ann.name}")).expect(204)
    body = {"username": ann.name, "email": "x@example.com", "password": "another-password"}
    (await anonymous.post(f"{AUTH}/register", body)).expect(201)
    other = User(ann.name, anonymous.as_(await token_of(log_in, ann.name, "another-password")))
    view = (await admin.client.get(f"{NAMESPACES}/{group}")).expect(200)
    changed = await admin.client.patch(
        f"{NAMESPACES}/{group}", {"members": view["members"]}, type_=MERGE_PATCH
    )
    assert changed.expect(200)["reason"] == "RefNotPermitted"
    assert await rights(other, group) == NONE
    named = {"members": [member(ann, "editor")]}
    fresh = await admin.client.patch(f"{NAMESPACES}/{group}", named, type_=MERGE_PATCH)
    assert fresh.expect(200)["reason"] == "RefNotPermitted", "the member is the same as before"
    (await admin.client.patch(f"{NAMESPACES}/{group}", {"members": []}, type_=MERGE_PATCH)).expect(
        200
    )
    (await admin.client.patch(f"{NAMESPACES}/{group}", named, type_=MERGE_PATCH)).expect(200)
    await become(other, group, WRITES)


async def test_a_name_that_the_cluster_may_need_is_refused(admin: User) -> None:
    message = (await admin.client.post(NAMESPACES, {"name": "monitoring"})).refused(422, "Invalid")
    assert "metadata.name: the name is reserved" in message
    assert "create the Group with another name" in message


async def test_plain_users_and_admins_of_a_namespace_make_none(
    sign_up: SignUp, admin: User, group: str
) -> None:
    ann = await sign_up("ann")
    (
        await admin.client.post(NAMESPACES, {"name": group, "members": [member(ann, "admin")]})
    ).expect(201)
    await become(ann, group, WRITES)
    other = {"name": unique("group"), "members": [{"username": "no-such-user", "role": "viewer"}]}
    message = (await ann.client.post(NAMESPACES, other)).refused(403, "Forbidden")
    assert "no-such-user" not in message
    one = f"{NAMESPACES}/{group}"
    (await ann.client.get(one)).refused(403, "Forbidden")
    (await ann.client.patch(one, {"members": []}, type_=MERGE_PATCH)).refused(403, "Forbidden")
    (await ann.client.delete(one)).refused(403, "Forbidden")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "default"}, "name"),
        ({"name": "wegent-ann"}, "name"),
        ({"name": "kube-public"}, "name"),
        ({"name": "Blue"}, "name"),
        ({"members": [{"username": "a", "role": "owner"}]}, "members[0].role"),
        ({"members": [{"username": "no-such-user", "role": "viewer"}]}, "members[0].username"),
        ({"members": [{"username": "a", "role": "viewer"}] * 2}, "members"),
        ({"quota": {"pods": 1}}, "quota"),
        ({"limits": {"tokensPerDay": 0}}, "limits.tokensPerDay"),
        ({"color": "blue"}, "color"),
    ],
)
async def test_a_bad_body_is_refused_by_field(
    admin: User, group: str, change: dict[str, Any], field: str
) -> None:
    answer = await admin.client.post(NAMESPACES, {"name": group, **change})
    answer.refused(422, "Invalid")
    assert field in answer.causes()
    if "name" not in change:
        (await admin.client.get(f"{NAMESPACES}/{group}")).refused(404, "NotFound")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "other"}, "name"),
        ({"color": None}, "color"),
        ({"members": [{"username": "no-such-user", "role": "viewer"}]}, "members[0].username"),
        ({"limits": {"tokensPerDay": "many"}}, "limits.tokensPerDay"),
    ],
)
async def test_a_bad_change_is_refused_by_field(
    admin: User, group: str, change: dict[str, Any], field: str
) -> None:
    (await admin.client.post(NAMESPACES, {"name": group})).expect(201)
    answer = await admin.client.patch(f"{NAMESPACES}/{group}", change, type_=MERGE_PATCH)
    answer.refused(422, "Invalid")
    assert field in answer.causes()


async def test_names_are_taken_once(admin: User, group: str) -> None:
    (await admin.client.post(NAMESPACES, {"name": group})).expect(201)
    (await admin.client.post(NAMESPACES, {"name": group})).refused(409, "AlreadyExists")
