"""Members of a group leave it, with no right on the Group."""

import pytest

from tests.api.accounts.conftest import AUTH, SignUp, admin, log_in, sign_up
from tests.api.groups.test_groups import (
    NAMESPACES,
    NONE,
    READS,
    WRITES,
    become,
    group,
    member,
    rights,
)
from tests.api.users import ACCOUNTS, User
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess

__all__ = ["admin", "group", "log_in", "sign_up"]
PROXY = "system:serviceaccount:wegent-system:wegent-api"


def of(namespace: str, user: User) -> str:
    return f"{NAMESPACES}/{namespace}/members/{user.name}"


async def named(api: Api, group: str) -> list[str]:
    """Return the names of the members of a Group."""
    body = await api.get("groups", ACCOUNTS, group)
    assert body is not None
    return [it["username"] for it in body["spec"].get("members") or ()]


@pytest.mark.parametrize("role", ["viewer", "admin"])
async def test_a_member_leaves_alone(
    admin: User, sign_up: SignUp, group: str, api: Api, role: str
) -> None:
    ann, bob = await sign_up("ann"), await sign_up("bob")
    members = [member(bob, "viewer"), member(ann, role)]
    (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    await become(ann, group, READS if role == "viewer" else WRITES)
    await become(bob, group, READS)
    (await ann.client.delete(of(group, ann))).expect(204)
    assert await named(api, group) == [bob.name]
    await become(ann, group, NONE)
    assert await rights(bob, group) == READS
    message = (await ann.client.delete(of(group, ann))).refused(404, "NotFound")
    assert message == f"{ann.name} is not a member of the namespace {group}"
    # The group is in order, and may take the member in again.
    again = await admin.client.send("PATCH", f"{NAMESPACES}/{group}", {"members": members})
    assert again.expect(200)["ready"] is True
    await become(ann, group, READS if role == "viewer" else WRITES)


async def test_both_ways_into_a_namespace_end(admin: User, sign_up: SignUp, group: str) -> None:
    """The role of the group is the right to delete the other one, so it ends last."""
    ann, bob = await sign_up("ann"), await sign_up("bob")
    members = [member(ann, "admin"), member(bob, "admin")]
    (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    await become(ann, group, WRITES)
    await become(bob, group, WRITES)
    (await bob.client.send("PUT", of(group, ann), {"role": "editor"})).expect(200)
    (await ann.client.delete(of(group, ann))).expect(204)
    await become(ann, group, NONE)


async def test_nobody_is_removed_by_another_member(
    admin: User, sign_up: SignUp, group: str, api: Api, audit: AuditLog
) -> None:
    ann, bob, cleo = [await sign_up(it) for it in ("ann", "bob", "cleo")]
    members = [member(ann, "admin"), member(bob, "viewer")]
    (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    await become(ann, group, WRITES)
    await become(bob, group, READS)
    (await bob.client.delete(of(group, ann))).refused(403, "Forbidden")
    (await cleo.client.delete(of(group, ann))).refused(403, "Forbidden")
    message = (await ann.client.delete(of(group, bob))).refused(409, "Conflict")
    assert "members of a group can leave it themselves" in message
    (await cleo.client.delete(of(group, cleo))).refused(404, "NotFound")
    (await admin.client.delete(of(group, bob))).refused(409, "Conflict")
    assert await named(api, group) == [ann.name, bob.name]
    assert not [it for it in audit.writes(user=PROXY) if it.resource == "groups"]


async def test_a_later_user_of_a_members_name_is_no_member(
    sign_up: SignUp, group: str, api: Api
) -> None:
    ann = await sign_up("ann")
    await api.create(
        "groups", ACCOUNTS, group, {"members": [member(ann, "viewer") | {"accountUid": "another"}]}
    )
    await api.settled("groups", ACCOUNTS, group, "RefNotPermitted")
    (await ann.client.delete(of(group, ann))).refused(404, "NotFound")
    assert await named(api, group) == [ann.name]


async def test_without_the_operator_the_answer_says_that_the_role_has_yet_to_end(
    admin: User, sign_up: SignUp, group: str, api: Api, operator: OperatorProcess
) -> None:
    ann = await sign_up("ann")
    members = [member(ann, "viewer")]
    (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    await become(ann, group, READS)
    assert operator.stop() == 0
    try:
        status = (await ann.client.delete(of(group, ann))).expect(202)
        assert "the role there ends when" in status["message"]
        assert await named(api, group) == []
    finally:
        operator.start()
    await become(ann, group, NONE)


async def test_the_role_of_the_account_stays(admin: User, sign_up: SignUp, group: str) -> None:
    ann = await sign_up("ann")
    members = [member(ann, "editor")]
    (await admin.client.post(NAMESPACES, {"name": group, "members": members})).expect(201)
    grants = {"namespaces": [{"name": group, "role": "viewer"}]}
    (await admin.client.send("PATCH", f"{AUTH}/admin/accounts/{ann.name}", grants)).expect(200)
    await become(ann, group, WRITES)
    (await ann.client.delete(of(group, ann))).expect(204)
    await become(ann, group, READS)
    (await ann.client.delete(of(group, ann))).refused(409, "Conflict")
