"""Registration: accepted and refused requests, and the leftovers of one that is cut off."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.accounts.conftest import SignUp
from tests.api.conftest import ProxyFactory
from tests.api.users import ACCOUNTS, PASSWORD, User, provision, unique
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually
from wegent_api.accounts.password_secrets import SECRET_TYPE, USER_LABEL

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
    anonymous: Client, kubectl: Kubectl, api: Api
) -> None:
    name = unique("race")
    bodies = [registration(name, password=f"{PASSWORD}-{index}") for index in range(8)]
    answers = await asyncio.gather(*(anonymous.post(REGISTER, body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    [secret] = await secrets_of(kubectl, name)
    await provision(api, name)
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


async def test_registrations_from_all_addresses_together_are_limited(
    client: Client, start_proxy: ProxyFactory
) -> None:
    settings = {"registrations_per_minute": "2", "forwarded_allow_ips": "127.0.0.1"}
    proxy = Client(client.session, start_proxy(**settings).url)

    async def register(address: str) -> Answer:
        from_there = {"X-Forwarded-For": address}
        return await proxy.post(REGISTER, registration(unique("many")), headers=from_there)

    for address in ("192.0.2.1", "2001:db8::1"):
        (await register(address)).expect(201)
    for address in ("192.0.2.3", "2001:db8:1::1"):
        answer = await register(address)
        assert "from all addresses" in answer.refused(429, "TooManyRequests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 30


async def test_an_admin_makes_admins_and_gives_rights(
    admin_client: Client, kubectl: Kubectl, audit: AuditLog
) -> None:
    name = unique("boss")
    grants = [{"name": "default", "role": "viewer"}]
    body = registration(name, role="admin", namespaces=grants)
    made = (await admin_client.post(ADMIN_REGISTER, body)).expect(201)
    assert made == {"username": name, "email": f"{name}@example.com", "role": "admin"}
    account = (await kubectl.call("get", "account", name, f"-n{ACCOUNTS}", "-ojson")).ok().json
    assert account["spec"]["namespaces"] == grants
    [created] = [it for it in audit.writes() if it.name == name and it.resource == "accounts"][-1:]
    assert created.user.startswith(f"system:serviceaccount:{ACCOUNTS}:admin-")
    [secret] = await secrets_of(kubectl, name)
    assert secret["metadata"]["ownerReferences"]


async def test_what_admins_register_is_an_admin_unless_said_otherwise(
    admin_client: Client, kubectl: Kubectl
) -> None:
    for role, said in (("admin", {}), ("user", {"role": "user"})):
        name = unique("made")
        answer = await admin_client.post(ADMIN_REGISTER, registration(name, **said))
        assert answer.expect(201)["role"] == role
        found = kubectl.run("get", "account", name, f"-n{ACCOUNTS}", "-ojson").ok().json
        assert found["spec"]["role"] == role


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": "root"}, "role"),
        ({"namespaces": [{"name": "a/b", "role": "viewer"}]}, "namespaces[0].name"),
        ({"namespaces": [{"name": "a", "role": "owner"}]}, "namespaces[0].role"),
        ({"namespaces": [{"name": "a", "role": "viewer"}] * 2}, "namespaces"),
        ({"namespaces": [{"name": ACCOUNTS, "role": "admin"}]}, "namespaces"),
        ({"suspended": True}, "suspended"),
    ],
)
async def test_what_an_admin_gets_wrong_is_named(
    admin_client: Client, change: dict[str, Any], field: str
) -> None:
    answer = await admin_client.post(ADMIN_REGISTER, registration(unique("wrong"), **change))
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
    """RBAC and the policy hold even if an attacker controls the proxy."""
    del kubectl
    name = unique("forged")
    for spec in ({"role": "admin"}, {"namespaces": [{"name": "default", "role": "admin"}]}):
        account = {
            "apiVersion": "agent.wecode.io/v1",
            "kind": "Account",
            "metadata": {"name": name, "namespace": ACCOUNTS},
            "spec": {"email": "x@example.com", **spec},
        }
        done = await proxy_kubectl.call("create", "-f", "-", stdin=account)
        assert "the verb grant-admin on accounts" in done.stderr


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
    kubectl: Kubectl, admin_client: Client, maintainer: Kubectl
) -> None:
    """`update` without `grant-admin` is enough to change an admin's Account, not to make one."""
    boss, plain = unique("boss"), unique("plain")
    for name, role in ((boss, "admin"), (plain, "user")):
        (await admin_client.post(ADMIN_REGISTER, registration(name, role=role))).expect(201)

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


@pytest.mark.parametrize(
    "username", ["root", "admin", "api", "kube-system", "system-x", "wegent-operator", "support"]
)
async def test_a_name_that_looks_like_an_authority_is_for_admins_to_give(
    anonymous: Client, admin_client: Client, audit: AuditLog, username: str
) -> None:
    answer = await anonymous.post(REGISTER, registration(username))
    assert "reserved" in answer.refused(422, "Invalid")
    assert answer.causes() == {"username": "FieldValueInvalid"}
    assert not [it for it in audit.requests() if it.resource in {"accounts", "secrets"}]
    if username == "system-x":
        (await admin_client.post("/api/v1/auth/admin/register", registration(username))).expect(201)


@pytest.mark.parametrize(
    "password", ["password1234", "aaaaaaaaaaaa", "123456789012", "Qwertyuiop12", "NAME-and-more-9"]
)
async def test_a_password_that_is_guessed_first_is_refused_in_words(
    anonymous: Client, admin_client: Client, password: str
) -> None:
    name = unique("weak")
    body = registration(name, password=password.replace("NAME", name.upper()))
    for who, path in ((anonymous, REGISTER), (admin_client, "/api/v1/auth/admin/register")):
        answer = await who.post(path, body)
        message = answer.refused(422, "Invalid")
        assert answer.causes() == {"password": "FieldValueInvalid"}
        assert body["password"] not in message


@pytest.mark.parametrize("address", ["пользователь@пример.рф", "用户@例子.公司", "jörg@müller.de"])
async def test_addresses_in_all_scripts(anonymous: Client, kubectl: Kubectl, address: str) -> None:
    name = unique("script")
    (await anonymous.post(REGISTER, registration(name) | {"email": address})).expect(201)
    account = (await kubectl.call("get", "account", name, f"-n{ACCOUNTS}", "-ojson")).ok().json
    assert account["spec"]["email"] == address


@pytest.mark.parametrize(
    "address", ["nobody", "a b@example.com", "a\u200bb@example.com", "a@b\u202e"]
)
async def test_what_is_no_address_is_refused_in_words(anonymous: Client, address: str) -> None:
    answer = await anonymous.post(REGISTER, registration(unique("words")) | {"email": address})
    message = answer.refused(422, "Invalid")
    assert "must be an e-mail address" in message
    assert "match" not in message


async def test_nobody_registers_before_the_first_admin_is_there(
    client: Client, kubectl: Kubectl, start_proxy: ProxyFactory, audit: AuditLog
) -> None:
    first = unique("first")
    proxy = Client(client.session, start_proxy(first_admin=first).url)
    early = unique("early")
    answer = await proxy.post(REGISTER, registration(early))
    assert first in answer.refused(503, "ServiceUnavailable")
    assert answer.headers["Retry-After"]
    assert not [it for it in audit.writes() if it.resource in {"accounts", "secrets"}]
    account = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Account",
        "metadata": {"name": first, "namespace": ACCOUNTS},
        "spec": {"email": "first@example.com", "role": "user"},
    }
    (await kubectl.call("apply", "-f", "-", stdin=account)).ok()
    (await proxy.post(REGISTER, registration(early))).refused(503, "ServiceUnavailable")
    account["spec"] = {"email": "first@example.com", "role": "admin"}
    (await kubectl.call("apply", "-f", "-", stdin=account)).ok()
    (await proxy.post(REGISTER, registration(early))).expect(201)
    (await kubectl.call("delete", "account", first, f"--namespace={ACCOUNTS}")).ok()


async def test_a_full_quota_is_told_without_names(
    anonymous: Client, kubectl: Kubectl, sign_up: SignUp
) -> None:
    user = await sign_up()
    quota = (f"--namespace={ACCOUNTS}", "quota", "full")
    (await kubectl.call("create", *quota, "--hard=count/secrets=0")).ok()
    try:

        async def told() -> Answer:
            answer = await anonymous.post(REGISTER, registration(unique("late")))
            assert answer.status == 403, answer.content
            return answer

        for answer in (
            await eventually(told, within_s=60, what="the quota is in force"),
            await user.client.post("/api/v1/auth/tokens", {"name": "laptop"}),
        ):
            message = answer.refused(403, "Forbidden")
            assert message.startswith("exceeded quota: the namespace of the Accounts has no room")
            assert "an admin must" in message
            assert "late" not in message
    finally:
        (await kubectl.call("delete", *quota)).ok()

    async def lifted() -> bool:
        return (await anonymous.post(REGISTER, registration(unique("later")))).status == 201

    await eventually(lifted, within_s=60, what="the quota is lifted")
