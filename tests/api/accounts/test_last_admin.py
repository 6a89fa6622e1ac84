"""The last admin can't demote, suspend or delete themselves, over REST or with kubectl."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.api.accounts.conftest import AUTH, SignUp
from tests.api.users import ACCOUNTS, User, answered
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually

LIST = f"{AUTH}/admin/accounts"
PLAIN: dict[str, Any] = {"spec": {"role": "user"}}
ADMIN: dict[str, Any] = {"spec": {"role": "admin"}}
HELD = {"metadata": {"finalizers": ["example.com/held"]}}


def one(user: User) -> str:
    return f"{LIST}/{user.name}"


async def becomes(api: Api, user: User, reason: str) -> None:
    """Wait for the operator's note on whether the admin is the last one."""

    async def probe() -> bool:
        body = await api.get("accounts", ACCOUNTS, user.name)
        assert body is not None
        found = {it["type"]: it for it in body["status"]["conditions"]}
        assert "LastAdmin" in found, found
        assert found["LastAdmin"]["reason"] == reason, found
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{user.name}: {reason}")


@pytest.fixture
async def last(api: Api, admin: User) -> AsyncIterator[User]:
    """The only admin; admins of other tests are plain users for that time."""
    others = [
        it["metadata"]["name"]
        for it in await api.list("accounts", ACCOUNTS)
        if it["spec"]["role"] == "admin" and it["metadata"]["name"] != admin.name
    ]
    for name in others:
        await api.merge("accounts", ACCOUNTS, name, PLAIN)
    await becomes(api, admin, "LastAdmin")
    yield admin
    await api.merge("accounts", ACCOUNTS, admin.name, {"spec": {"role": "admin"}})
    for name in others:
        if await api.get("accounts", ACCOUNTS, name) is not None:
            await api.merge("accounts", ACCOUNTS, name, ADMIN)
    await answered(admin, LIST, 200)


async def test_the_last_admin_stays_one_over_rest(last: User, api: Api) -> None:
    for change in ({"role": "user"}, {"role": None}, {"suspended": True}):
        answer = await last.client.send("PATCH", one(last), change)
        message = answer.refused(409, "Conflict")
        assert f"{last.name} is the last admin" in message
    (await last.client.delete(one(last))).refused(409, "Conflict")
    for change in ({"email": "new@example.com"}, {"role": "admin"}, {"suspended": False}):
        (await last.client.send("PATCH", one(last), change)).expect(200)
    body = await api.settled("accounts", ACCOUNTS, last.name)
    note = condition(body, "LastAdmin")
    assert note["status"] == "True"
    assert "give another Account the role admin first" in note["message"]


async def test_and_with_kubectl(
    last: User, kubectl_with: Callable[[str], Kubectl], api: Api
) -> None:
    assert last.client.token
    theirs = kubectl_with(last.client.token)
    patch = ("patch", "account", last.name, f"-n{ACCOUNTS}", "--type=merge")
    for command in (
        (*patch, '-p={"spec": {"role": "user"}}'),
        (*patch, '-p={"spec": {"role": null}}'),
        (*patch, '-p={"spec": {"suspended": true}}'),
        ("delete", "account", last.name, f"-n{ACCOUNTS}"),
        ("delete", "accounts", f"-n{ACCOUNTS}", f"--field-selector=metadata.name={last.name}"),
    ):
        done = await theirs.call(*command)
        assert "this Account is the last admin" in done.stderr, command
    (await theirs.call(*patch, '-p={"spec": {"email": "other@example.com"}}')).ok()
    body = await api.get("accounts", ACCOUNTS, last.name)
    assert body is not None
    assert body["spec"]["role"] == "admin"


async def test_one_of_two_may_go_and_not_both(last: User, sign_up: SignUp, api: Api) -> None:
    other = await sign_up("admin")
    assert (await last.client.send("PATCH", one(other), {"role": "admin"})).expect(200)
    await becomes(api, other, "OtherAdmins")
    await becomes(api, last, "OtherAdmins")
    await answered(other, LIST, 200)
    answers = await asyncio.gather(
        other.client.send("PATCH", one(last), {"suspended": False, "role": "user"}),
        last.client.send("PATCH", one(other), {"role": "user"}),
    )
    assert sorted(it.status for it in answers) in ([200, 403], [200, 409])
    left = last if answers[0].status != 200 else other
    await becomes(api, left, "LastAdmin")
    gone = await api.settled("accounts", ACCOUNTS, (other if left is last else last).name)
    assert "LastAdmin" not in {it["type"] for it in gone["status"]["conditions"]}
    await api.merge("accounts", ACCOUNTS, last.name, ADMIN)
    await answered(last, LIST, 200)
    # A suspended admin, or an admin being deleted, doesn't count as another admin.
    await api.merge("accounts", ACCOUNTS, other.name, ADMIN)
    await becomes(api, last, "OtherAdmins")
    await api.merge("accounts", ACCOUNTS, other.name, {"spec": {"suspended": True}})
    await becomes(api, last, "LastAdmin")
    await api.merge("accounts", ACCOUNTS, other.name, {"spec": {"suspended": False}} | HELD)
    await becomes(api, last, "OtherAdmins")
    await api.ask_to_delete("accounts", ACCOUNTS, other.name)
    await becomes(api, last, "LastAdmin")
    (await last.client.send("PATCH", one(last), {"role": "user"})).refused(409, "Conflict")
    await api.merge("accounts", ACCOUNTS, other.name, {"metadata": {"finalizers": None}})


async def test_many_accounts_at_once_are_deleted_without_those_of_admins(
    last: User, sign_up: SignUp, kubectl_with: Callable[[str], Kubectl], api: Api
) -> None:
    """The operator's note comes too late for the second of them."""
    other, plain = await sign_up("admin"), await sign_up("plain")
    await api.merge("accounts", ACCOUNTS, other.name, ADMIN)
    await becomes(api, last, "OtherAdmins")
    await becomes(api, other, "OtherAdmins")
    for user in (last, other, plain):
        await api.merge("accounts", ACCOUNTS, user.name, {"metadata": {"labels": {"b": "atch"}}})
    assert last.client.token
    theirs = kubectl_with(last.client.token)
    path = f"/apis/agent.wecode.io/v1/namespaces/{ACCOUNTS}/accounts?labelSelector=b%3Datch"
    done = await theirs.call("delete", "--raw", path)
    assert "deleted one by one" in done.stdout + done.stderr
    for user in (last, other):
        found = await api.get("accounts", ACCOUNTS, user.name)
        assert found is not None
        assert "deletionTimestamp" not in found["metadata"]
    for user in (last, other):
        patch = {"metadata": {"labels": {"b": None}}}
        await api.merge("accounts", ACCOUNTS, user.name, patch)
    (await theirs.call("delete", "--raw", path)).ok()
    await api.gone("accounts", ACCOUNTS, plain.name)
    (await last.client.delete(one(other))).expect(204)


async def test_a_cluster_administrator_may(last: User, api: Api) -> None:
    await api.merge("accounts", ACCOUNTS, last.name, PLAIN)
    await api.settled("accounts", ACCOUNTS, last.name)
    await api.merge("accounts", ACCOUNTS, last.name, ADMIN)
    await becomes(api, last, "LastAdmin")
