"""Admins manage Accounts; access that they withdraw ends at once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.accounts.conftest import (
    AUTH,
    ENDS_WITHIN_S,
    LogIn,
    SignUp,
    token_of,
)
from tests.api.users import ACCOUNTS, PASSWORD, User, answered, unique
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.audit import AuditLog
from tests.support.cluster_policies import refusing
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_kube.resources import SERVICE_ACCOUNTS

LIST = f"{AUTH}/admin/accounts"
GHOSTS = "/api/v1/kinds/ghosts"


def one(user: User | str) -> str:
    return f"{LIST}/{user if isinstance(user, str) else user.name}"


def view(user: User, **more: Any) -> dict[str, Any]:
    """Return a ready plain user as an admin sees it."""
    return {
        "username": user.name,
        "email": f"{user.name}@example.com",
        "role": "user",
        "namespaces": [],
        "suspended": False,
        "ready": True,
        "reason": "Ready",
        "message": "",
        **more,
    }


async def seen(admin: User, user: User, **more: Any) -> None:
    """Wait until an admin sees the user with these values."""

    async def probe() -> bool:
        found = (await admin.client.get(one(user))).expect(200)
        assert found == view(user, **more), found
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{user.name} is {more}")


async def access_ends(user: User, kubectl: Kubectl) -> None:
    """Wait until a user's token is refused, over REST and with kubectl."""

    async def refused() -> bool:
        rest = await user.client.get(f"{GHOSTS}?namespace={user.home}")
        return rest.status == 401

    await eventually(refused, within_s=ENDS_WITHIN_S, what="the token is refused")
    (await user.client.get(f"{AUTH}/me")).refused(401, "Unauthorized")
    (await user.client.get(f"{GHOSTS}?namespace=default")).refused(401, "Unauthorized")
    done = await kubectl.call("get", "ghosts", "-ndefault")
    assert "Unauthorized" in done.stderr or "must be logged in" in done.stderr


async def test_an_admin_sees_all_accounts_page_by_page(admin: User, sign_up: SignUp) -> None:
    user = await sign_up()
    await seen(admin, user)
    whole = (await admin.client.get(LIST)).expect(200)
    assert set(whole) == {"items"}
    by_name = {item["username"]: item for item in whole["items"]}
    assert by_name[user.name] == view(user)
    assert by_name[admin.name]["role"] == "admin"

    found, token = [], ""
    while True:
        page = (await admin.client.get(f"{LIST}?limit=2{token}")).expect(200)
        assert len(page["items"]) <= 2
        found += page["items"]
        if "continue" not in page:
            break
        token = f"&continue={page['continue']}"
    assert [it["username"] for it in found] == [it["username"] for it in whole["items"]]


async def test_a_change_is_merged(admin: User, sign_up: SignUp, namespace: str) -> None:
    user = await sign_up()
    grants = [{"name": namespace, "role": "viewer"}]
    body = {"email": "new@example.com", "namespaces": grants}
    as_merge_patch = {"Content-Type": "application/merge-patch+json"}
    for headers in ({}, as_merge_patch):
        answer = await admin.client.send("PATCH", one(user), body, headers=headers)
        assert answer.expect(200)["email"] == "new@example.com"
    as_json_patch = {"Content-Type": "application/json-patch+json"}
    refused = await admin.client.send("PATCH", one(user), body, headers=as_json_patch)
    refused.refused(415, "UnsupportedMediaType")
    await seen(admin, user, **body)
    there = f"{GHOSTS}?namespace={namespace}"
    await answered(user, there, 200)
    ghost = {"metadata": {"name": "g"}, "spec": {"systemPrompt": "You help."}}
    (await user.client.post(there, ghost)).refused(403, "Forbidden")

    (await admin.client.send("PATCH", one(user), {"role": "admin"})).expect(200)
    await seen(admin, user, role="admin", **body)
    await answered(user, LIST, 200)
    nulls = {"role": None, "namespaces": None}
    (await admin.client.send("PATCH", one(user), nulls)).expect(200)
    await seen(admin, user, email="new@example.com")

    await answered(user, LIST, 403)
    await answered(user, there, 403)


async def test_suspension_ends_access_at_once_and_is_undone(
    admin: User, sign_up: SignUp, log_in: LogIn, kubectl_with: Callable[[str], Kubectl]
) -> None:
    user = await sign_up()
    assert user.client.token
    theirs = kubectl_with(user.client.token)
    (await theirs.call("get", "ghosts", f"-n{user.home}")).ok()
    (await admin.client.send("PATCH", one(user), {"suspended": True})).expect(200)
    (await log_in(user.name)).refused(401, "Unauthorized")
    await access_ends(user, theirs)
    await seen(
        admin,
        user,
        suspended=True,
        ready=True,
        reason="Suspended",
        message="spec.suspended: the user has no access; set it to false to restore the access",
    )
    (await admin.client.send("PATCH", one(user), {"suspended": False})).expect(200)
    fresh = User(user.name, user.client.as_(await token_of(log_in, user.name)))
    await answered(fresh, f"{GHOSTS}?namespace={user.home}", 200)
    (await user.client.get(f"{AUTH}/me")).refused(401, "Unauthorized")


async def test_deletion_ends_access_at_once_and_keeps_the_work(
    admin: User, sign_up: SignUp, log_in: LogIn, kubectl_with: Callable[[str], Kubectl]
) -> None:
    user = await sign_up()
    assert user.client.token
    theirs = kubectl_with(user.client.token)
    ghost = {"metadata": {"name": "kept"}, "spec": {"systemPrompt": "You help."}}
    (await user.client.post(f"{GHOSTS}?namespace={user.home}", ghost)).expect(201)
    (await admin.client.delete(one(user))).expect(204)
    (await log_in(user.name)).refused(401, "Unauthorized")
    await access_ends(user, theirs)
    (await admin.client.get(one(user))).refused(404, "NotFound")
    (await admin.client.delete(one(user))).refused(404, "NotFound")
    (await admin.client.get(f"{GHOSTS}/kept?namespace={user.home}")).expect(200)


async def test_somebody_who_comes_after_is_not_them(
    admin: User, sign_up: SignUp, anonymous: Client, log_in: LogIn
) -> None:
    user = await sign_up()
    (await admin.client.delete(one(user))).expect(204)
    another = "somebody-elses-password"
    body = {"username": user.name, "email": "other@example.com", "password": another}
    (await anonymous.post(f"{AUTH}/register", body)).expect(201)
    token = await token_of(log_in, user.name, another)
    (await log_in(user.name, PASSWORD)).refused(401, "Unauthorized")
    answer = await anonymous.as_(token).get(f"{GHOSTS}?namespace={user.home}")
    answer.refused(403, "Forbidden")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"role": "root"}, "role", "FieldValueNotSupported"),
        ({"email": "nobody"}, "email", "FieldValueInvalid"),
        ({"suspended": "yes"}, "suspended", "FieldValueInvalid"),
        ({"namespaces": [{"name": "a/b", "role": "viewer"}]}, "namespaces[0].name", None),
        ({"username": "other"}, "username", "FieldValueForbidden"),
        ({"passwordSecretRef": {"name": "x"}}, "passwordSecretRef", "FieldValueForbidden"),
        ({"email": None}, "email", "FieldValueRequired"),
    ],
)
async def test_what_is_wrong_is_named(
    admin: User, sign_up: SignUp, body: dict[str, Any], field: str, reason: str | None
) -> None:
    user = await sign_up()
    answer = await admin.client.send("PATCH", one(user), body)
    answer.refused(422, "Invalid")
    assert answer.causes() == {field: reason or "FieldValueInvalid"}
    await seen(admin, user)


async def test_only_admins_do(admin: User, sign_up: SignUp, audit: AuditLog) -> None:
    user, victim = await sign_up(), await sign_up()
    for who in (user, victim):
        for method, path, body in (
            ("GET", LIST, None),
            ("GET", one(victim), None),
            ("GET", one("no-such-user"), None),
            ("PATCH", one(victim), {"suspended": True}),
            ("PATCH", one(who), {"role": "admin"}),
            ("DELETE", one(admin), None),
        ):
            answer = await who.client.send(method, path, body)
            message = answer.refused(403, "Forbidden")
            assert f"system:serviceaccount:{ACCOUNTS}:{who.name}" in message
    changed = [it for it in audit.writes() if it.resource == "accounts" and it.code < 400]
    assert {it.verb for it in changed if it.name == victim.name} <= {"create", "patch"}
    await seen(admin, victim)


@pytest.mark.parametrize(
    "path",
    [
        f"{LIST}/Upper",
        f"{LIST}/a.b",
        f"{LIST}/{'a' * 51}",
        f"{LIST}?limit=0",
        f"{LIST}?limit=1&limit=2",
        f"{LIST}?Limit=1",
    ],
)
async def test_what_can_not_be_is_a_bad_request(admin: User, path: str, audit: AuditLog) -> None:
    (await admin.client.get(path)).refused(400, "BadRequest")
    assert not [it for it in audit.requests() if it.resource == "accounts" and it.verb == "get"]


async def test_what_the_operator_sees_is_what_is_shown(
    admin: User, sign_up: SignUp, api: Api
) -> None:
    user = await sign_up()
    grants = [{"name": f"{user.home}-later", "role": "editor"}]
    (await admin.client.send("PATCH", one(user), {"namespaces": grants})).expect(200)
    await api.settled("accounts", ACCOUNTS, user.name, "RefNotFound")
    found = (await admin.client.get(one(user))).expect(200)
    assert (found["ready"], found["reason"]) == (False, "RefNotFound")
    assert f"namespace {user.home}-later does not exist" in found["message"]


async def test_an_account_that_finalizers_hold_ends_and_keeps_its_name(
    admin: User, sign_up: SignUp, log_in: LogIn, api: Api, kubectl_with: Callable[[str], Kubectl]
) -> None:
    user = await sign_up()
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    await api.merge("accounts", ACCOUNTS, user.name, held)
    answer = await admin.client.delete(one(user))
    status = answer.expect(202)
    assert "example.com/held" in status["message"]
    (await log_in(user.name)).refused(401, "Unauthorized")
    assert user.client.token
    await access_ends(user, kubectl_with(user.client.token))
    await api.merge("accounts", ACCOUNTS, user.name, {"metadata": {"finalizers": None}})
    await api.gone("accounts", ACCOUNTS, user.name)


async def test_a_login_says_why_an_account_is_not_set_up(
    operator: OperatorProcess, anonymous: Client, log_in: LogIn, api: Api
) -> None:
    del operator
    name = unique("refused")

    async def trial() -> None:
        path, body = SERVICE_ACCOUNTS.path(ACCOUNTS), {"metadata": {"name": name}}
        await api.client.request("POST", path, body=body, params={"dryRun": "All"})

    allowed = f"request.name != '{name}'"
    async with refusing(api, SERVICE_ACCOUNTS, "CREATE", allowed, "too many here", trial):
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        (await anonymous.post(f"{AUTH}/register", body)).expect(201)
        await api.settled("accounts", ACCOUNTS, name, "NotProvisioned")
        message = (await log_in(name)).refused(503, "ServiceUnavailable")
        assert f"the account {name} is not set up: NotProvisioned: ServiceAccount" in message
        assert "too many here" in message
        (await log_in(name, "wrong-password")).refused(401, "Unauthorized")
    await token_of(log_in, name)
