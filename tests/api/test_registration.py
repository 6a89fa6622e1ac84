"""Making users: what is taken, what is refused, and what is left behind when it is cut off."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import ProxyFactory
from tests.api.users import ACCOUNTS, PASSWORD, User, provision, unique
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_api.password_secrets import SECRET_TYPE, USER_LABEL

REGISTER = "/api/v1/auth/register"
ADMIN_REGISTER = "/api/v1/auth/admin/register"


def registration(username: str, **more: Any) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.com",
        "password": PASSWORD,
        **more,
    }


async def secrets_of(kubectl: Kubectl, username: str) -> list[dict[str, Any]]:
    selector = f"--selector={USER_LABEL}={username}"
    found = await kubectl.call("get", "secrets", f"-n{ACCOUNTS}", selector, "-ojson")
    items: list[dict[str, Any]] = found.ok().json["items"]
    return items


async def test_a_registration_makes_an_account_and_the_secret_that_it_owns(
    anonymous: Client, kubectl: Kubectl
) -> None:
    name = unique("new")
    made = (await anonymous.post(REGISTER, registration(name))).expect(201)
    assert made == {"username": name, "email": f"{name}@example.com", "role": "user"}
    account = (await kubectl.call("get", "account", name, f"-n{ACCOUNTS}", "-ojson")).ok().json
    [secret] = await secrets_of(kubectl, name)
    assert account["spec"]["passwordSecretRef"] == {"name": secret["metadata"]["name"]}
    assert account["spec"]["role"] == "user"
    assert "namespaces" not in account["spec"]
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Account", name)
    assert owner["uid"] == account["metadata"]["uid"]
    assert (secret["type"], secret["immutable"]) == (SECRET_TYPE, True)
    assert PASSWORD not in json.dumps([account, secret])

    (await kubectl.call("delete", "account", name, f"-n{ACCOUNTS}")).ok()

    async def gone() -> bool:
        return not await secrets_of(kubectl, name)

    await eventually(gone, within_s=30, what="the garbage collector has taken the Secret")


async def test_a_user_name_is_taken_once(anonymous: Client, kubectl: Kubectl) -> None:
    body = registration(unique("taken"))
    (await anonymous.post(REGISTER, body)).expect(201)
    (await anonymous.post(REGISTER, body)).refused(409, "AlreadyExists")
    assert len(await secrets_of(kubectl, body["username"])) == 1


async def test_of_many_registrations_at_once_one_wins_and_nothing_is_left_of_the_others(
    anonymous: Client, kubectl: Kubectl
) -> None:
    name = unique("race")
    bodies = [registration(name, password=f"{PASSWORD}-{index}") for index in range(8)]
    answers = await asyncio.gather(*(anonymous.post(REGISTER, body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    [secret] = await secrets_of(kubectl, name)
    await provision(kubectl, name)
    winner = bodies[[answer.status for answer in answers].index(201)]
    for body in bodies:
        credentials = {"username": name, "password": body["password"]}
        answer = await anonymous.post("/api/v1/auth/login", credentials)
        assert answer.status == (200 if body is winner else 401)
    assert secret["metadata"]["ownerReferences"]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"username": "Upper"}, "username", "FieldValueInvalid"),
        ({"username": "a" * 51}, "username", "FieldValueInvalid"),
        ({"username": "a.b"}, "username", "FieldValueInvalid"),
        ({"username": "-a"}, "username", "FieldValueInvalid"),
        ({"username": ""}, "username", "FieldValueInvalid"),
        ({"username": 7}, "username", "FieldValueInvalid"),
        ({"username": "accounts"}, "username", "FieldValueInvalid"),
        ({"username": "system"}, "username", "FieldValueInvalid"),
        ({"username": "default"}, "username", "FieldValueInvalid"),
        ({"username": None}, "username", "FieldValueRequired"),
        ({"email": "nobody"}, "email", "FieldValueInvalid"),
        ({"email": "a@b@c"}, "email", "FieldValueInvalid"),
        ({"email": f"{'a' * 250}@b.cd"}, "email", "FieldValueTooLong"),
        ({"email": None}, "email", "FieldValueRequired"),
        ({"password": "elevenchars"}, "password", "FieldValueInvalid"),
        ({"password": "a" * 129}, "password", "FieldValueTooLong"),
        ({"password": 123456789012}, "password", "FieldValueInvalid"),
        ({"password": None}, "password", "FieldValueRequired"),
        ({"role": "admin"}, "role", "FieldValueForbidden"),
        ({"namespaces": []}, "namespaces", "FieldValueForbidden"),
        ({"passwordSecretRef": {"name": "x"}}, "passwordSecretRef", "FieldValueForbidden"),
    ],
)
async def test_what_is_wrong_is_named(
    anonymous: Client, audit: AuditLog, change: dict[str, Any], field: str, reason: str
) -> None:
    answer = await anonymous.post(REGISTER, registration(unique("wrong")) | change)
    assert f"{field}: " in answer.refused(422, "Invalid")
    assert answer.causes() == {field: reason}
    assert not [it for it in audit.requests() if it.resource in {"accounts", "secrets"}]


async def test_registration_can_be_closed(
    client: Client, start_proxy: ProxyFactory, audit: AuditLog
) -> None:
    closed = Client(client.session, start_proxy(registration_open="false").url)
    (await closed.post(REGISTER, registration(unique("late")))).refused(403, "Forbidden")
    assert not [it for it in audit.writes() if it.resource in {"accounts", "secrets"}]


async def test_registrations_from_one_address_are_limited(
    client: Client, start_proxy: ProxyFactory
) -> None:
    settings = {"registrations_per_address_per_minute": "2"}
    proxy = Client(client.session, start_proxy(**settings).url)
    for _ in range(2):
        (await proxy.post(REGISTER, registration(unique("many")))).expect(201)
    answer = await proxy.post(REGISTER, registration(unique("many")))
    answer.refused(429, "TooManyRequests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30


async def test_an_admin_makes_admins_and_gives_rights(
    admin: Client, kubectl: Kubectl, audit: AuditLog
) -> None:
    name = unique("boss")
    grants = [{"name": "default", "role": "viewer"}]
    body = registration(name, role="admin", namespaces=grants)
    made = (await admin.post(ADMIN_REGISTER, body)).expect(201)
    assert made == {"username": name, "email": f"{name}@example.com", "role": "admin"}
    account = (await kubectl.call("get", "account", name, f"-n{ACCOUNTS}", "-ojson")).ok().json
    assert account["spec"]["namespaces"] == grants
    [created] = [it for it in audit.writes() if it.name == name and it.resource == "accounts"][-1:]
    assert created.user.startswith(f"system:serviceaccount:{ACCOUNTS}:admin-")
    [secret] = await secrets_of(kubectl, name)
    assert secret["metadata"]["ownerReferences"]


async def test_the_role_is_user_unless_said(admin: Client) -> None:
    body = registration(unique("plain"))
    assert (await admin.post(ADMIN_REGISTER, body)).expect(201)["role"] == "user"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "root"}, "role"),
        ({"namespaces": [{"name": "a/b", "role": "viewer"}]}, "namespaces[0].name"),
        ({"namespaces": [{"name": "a", "role": "owner"}]}, "namespaces[0].role"),
        ({"namespaces": [{"name": "a", "role": "viewer"}] * 2}, "namespaces"),
        ({"suspended": True}, "suspended"),
    ],
)
async def test_what_an_admin_gets_wrong_is_named(
    admin: Client, change: dict[str, Any], field: str
) -> None:
    answer = await admin.post(ADMIN_REGISTER, registration(unique("wrong"), **change))
    answer.refused(422, "Invalid")
    assert list(answer.causes()) == [field]


async def test_who_is_no_admin_leaves_nothing_behind(
    user: User, kubectl: Kubectl, audit: AuditLog
) -> None:
    name = unique("denied")
    answer = await user.client.post(ADMIN_REGISTER, registration(name, role="admin"))
    assert user.account in answer.refused(403, "Forbidden")
    assert not [it for it in audit.writes() if it.resource == "secrets"]
    assert not await secrets_of(kubectl, name)


async def test_the_proxys_own_account_can_not_make_admins(
    kubectl: Kubectl, proxy_kubectl: Kubectl
) -> None:
    """Were the proxy taken over, RBAC and the policy would still stand."""
    del kubectl
    name = unique("forged")
    for spec in ({"role": "admin"}, {"namespaces": [{"name": "kube-system", "role": "admin"}]}):
        account = {
            "apiVersion": "agent.wecode.io/v1",
            "kind": "Account",
            "metadata": {"name": name, "namespace": ACCOUNTS},
            "spec": {"email": "x@example.com", **spec},
        }
        done = await proxy_kubectl.call("create", "-f", "-", stdin=account)
        assert "may grant-admin on accounts" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "secrets", "-nkube-system"),
        ("get", "secrets", "-nwegent-system"),
        ("get", "accounts", f"-n{ACCOUNTS}"),
        ("delete", "accounts", "--all", f"-n{ACCOUNTS}"),
        ("get", "serviceaccounts", f"-n{ACCOUNTS}"),
        ("get", "ghosts", "-ndefault"),
        ("create", "token", "wegent-operator", "-nwegent-system"),
        ("get", "namespaces"),
    ],
)
async def test_the_proxys_own_account_may_do_nothing_else(
    proxy_kubectl: Kubectl, arguments: tuple[str, ...]
) -> None:
    assert "is forbidden: User" in (await proxy_kubectl.call(*arguments)).stderr


async def test_the_policy_lets_others_change_what_is_not_a_right(
    kubectl: Kubectl, admin: Client, maintainer: Kubectl
) -> None:
    """Who may update Accounts, but not grant-admin, may touch an admin's; not make one."""
    boss, plain = unique("boss"), unique("plain")
    for name, role in ((boss, "admin"), (plain, "user")):
        (await admin.post(ADMIN_REGISTER, registration(name, role=role))).expect(201)

    async def patch(who: Kubectl, name: str, spec: dict[str, Any]) -> str:
        arguments = ("patch", "account", name, f"-n{ACCOUNTS}", "--type=merge")
        done = await who.call(*arguments, f"--patch={json.dumps({'spec': spec})}")
        return done.stderr

    grants = [{"name": "default", "role": "admin"}]
    assert await patch(maintainer, boss, {"email": "new@example.com"}) == ""
    assert "grant-admin" in await patch(maintainer, plain, {"role": "admin"})
    assert "grant-admin" in await patch(maintainer, plain, {"namespaces": grants})
    assert await patch(maintainer, boss, {"role": "user"}) == ""
    assert await patch(kubectl, plain, {"role": "admin", "namespaces": grants}) == ""
    assert await patch(maintainer, plain, {"suspended": True}) == ""
