"""Logging in: which users get a token, for how long, and how little others can find out."""

import asyncio
import json
import statistics
import time
from typing import Any

import pytest

from tests.api import jwts
from tests.api.conftest import ProxyFactory
from tests.api.users import ACCOUNTS, PASSWORD, User, provision, service_account, unique
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Answer, Client
from tests.support.waiting import eventually

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/auth/me"
PROXY = "system:serviceaccount:wegent-system:wegent-api"


async def log_in(client: Client, username: str, password: str = PASSWORD) -> Answer:
    return await client.post(LOGIN, {"username": username, "password": password})


async def change(kubectl: Kubectl, username: str, **spec: Any) -> None:
    patch = f"--patch={json.dumps({'spec': spec})}"
    arguments = ("patch", "account", username, f"-n{ACCOUNTS}", "--type=merge", patch)
    (await kubectl.call(*arguments)).ok()


async def password_secret(kubectl: Kubectl, username: str) -> str:
    path = "-ojsonpath={.spec.passwordSecretRef.name}"
    found = await kubectl.call("get", "account", username, f"-n{ACCOUNTS}", path)
    return found.ok().stdout


async def test_a_token_is_bound_short_lived_and_for_the_api_server(
    user: User, anonymous: Client, kubectl: Kubectl
) -> None:
    answer = await log_in(anonymous, user.name)
    token = answer.expect(200)
    assert set(token) == {"accessToken", "tokenType", "expiresIn"}
    assert (token["tokenType"], token["expiresIn"]) == ("bearer", 1800)
    assert answer.headers["Cache-Control"] == "no-store"
    _, claims, _ = jwts.read(token["accessToken"])
    assert claims["sub"] == user.account
    assert claims["exp"] - claims["iat"] == 1800
    bound = claims["kubernetes.io"]["secret"]
    assert bound["name"] == await password_secret(kubectl, user.name)
    assert bound["uid"]


async def test_me_is_the_account_and_its_namespaces(user: User) -> None:
    me = (await user.client.get(ME)).expect(200)
    email = f"{user.name}@example.com"
    found = {it["name"]: it["role"] for it in me.pop("namespaces")}
    assert found == {"default": "editor", user.home: "editor"}
    assert me == {
        "username": user.name,
        "email": email,
        "role": "user",
        "defaultNamespace": "default",
    }


async def test_me_without_an_account_is_a_name(admin_client: Client) -> None:
    """A ServiceAccount in the accounts namespace without an Account."""
    me = (await admin_client.get(ME)).expect(200)
    assert set(me) == {"username", "defaultNamespace", "namespaces"}
    assert me["username"].startswith(f"system:serviceaccount:{ACCOUNTS}:admin-")


@pytest.mark.parametrize("case", ["password", "user", "suspended", "no password", "lost", "empty"])
async def test_what_is_wrong_is_not_told(
    anonymous: Client, kubectl: Kubectl, api: Api, audit: AuditLog, case: str
) -> None:
    """All failures get the same answer, after the same requests to the API server and one hash."""
    name = unique("guess")
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    (await anonymous.post("/api/v1/auth/register", body)).expect(201)
    await provision(api, name)
    password, guessed = PASSWORD, name
    if case == "password":
        password = "wrong-password-123"
    elif case == "user":
        guessed = unique("nobody")
    elif case == "suspended":
        await change(kubectl, name, suspended=True)
    elif case == "no password":
        await change(kubectl, name, passwordSecretRef=None)
    elif case == "lost":
        secret = await password_secret(kubectl, name)
        (await kubectl.call("delete", "secret", secret, f"-n{ACCOUNTS}")).ok()
    else:
        other = unique("other")
        (await kubectl.call("create", "secret", "generic", other, f"-n{ACCOUNTS}")).ok()
        await change(kubectl, name, passwordSecretRef={"name": other})
    audit = AuditLog(audit._path)
    answer = await log_in(anonymous, guessed, password)
    answer.refused(401, "Unauthorized")
    assert answer.json["message"] == "wrong user name or password"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="wegent"'
    asked = [(it.verb, it.resource) for it in audit.behind(answer)]
    assert asked == [("get", "accounts"), ("get", "secrets")]


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(
    user: User, anonymous: Client, start_proxy: ProxyFactory
) -> None:
    settings = {"logins_per_user_per_minute": "1000", "logins_per_address_per_minute": "1000"}
    proxy = Client(anonymous.session, start_proxy(**settings).url)
    took: dict[str, list[float]] = {user.name: [], "nobody-at-all": []}
    for _ in range(12):
        for name, times in took.items():  # alternate, so that both see the same load
            started = time.perf_counter()
            (await log_in(proxy, name, "wrong-password-123")).refused(401, "Unauthorized")
            times.append(time.perf_counter() - started)
    known, unknown = (statistics.median(times) for times in took.values())
    assert known > 0.02  # the time of a hash
    assert 0.6 < unknown / known < 1.6


@pytest.mark.parametrize("username", ["Upper", "a.b", "a" * 51, "../x", "", "x\n"])
async def test_a_name_that_no_user_can_have_is_said_to_be_one(
    anonymous: Client, audit: AuditLog, username: str
) -> None:
    answer = await log_in(anonymous, username)
    assert "DNS-1123 label: at most 50" in answer.refused(422, "Invalid")
    assert answer.causes() == {"username": "FieldValueInvalid"}
    assert not audit.behind(answer)


async def test_a_password_is_the_same_however_it_was_typed(anonymous: Client, api: Api) -> None:
    name, composed, decomposed = unique("nfc"), "Grüße-aus-Köln", "Gru\u0308ße-aus-Ko\u0308ln"
    assert composed != decomposed
    body = {"username": name, "email": f"{name}@example.com", "password": composed}
    (await anonymous.post("/api/v1/auth/register", body)).expect(201)
    await provision(api, name)
    (await log_in(anonymous, name, decomposed)).expect(200)


async def test_a_new_password_secret_ends_all_sessions(
    anonymous: Client, kubectl: Kubectl, api: Api
) -> None:
    name = unique("changed")
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    (await anonymous.post("/api/v1/auth/register", body)).expect(201)
    await provision(api, name)
    theirs = anonymous.as_((await log_in(anonymous, name)).expect(200)["accessToken"])
    (await theirs.get(ME)).expect(200)
    secret = await password_secret(kubectl, name)
    (await kubectl.call("delete", "secret", secret, f"-n{ACCOUNTS}")).ok()

    async def dead() -> bool:
        return (await theirs.get(ME)).status == 401

    await eventually(dead, within_s=30, what="the token bound to the Secret is refused")


async def test_the_first_login_waits_for_the_account_to_be_set_up(
    anonymous: Client, api: Api
) -> None:
    name = unique("early")
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    (await anonymous.post("/api/v1/auth/register", body)).expect(201)
    waiting = asyncio.create_task(log_in(anonymous, name))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    await provision(api, name)
    (await waiting).expect(200)


async def test_a_login_does_not_wait_for_ever(anonymous: Client, start_proxy: ProxyFactory) -> None:
    proxy = Client(anonymous.session, start_proxy(login_wait_s="0.3").url)
    name = unique("never")
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    (await proxy.post("/api/v1/auth/register", body)).expect(201)
    answer = await log_in(proxy, name)
    assert "not set up yet" in answer.refused(503, "ServiceUnavailable")
    assert answer.headers["Retry-After"] == "5"


async def test_wrong_passwords_are_limited_by_user_name(
    user: User, new_user: Any, start_proxy: ProxyFactory
) -> None:
    settings = {"logins_per_user_per_minute": "3"}
    proxy = Client(user.client.session, start_proxy(**settings).url)
    for _ in range(5):
        (await log_in(proxy, user.name)).expect(200)  # correct passwords don't count
    guesses = await asyncio.gather(*(log_in(proxy, user.name, f"guess-{i}") for i in range(9)))
    assert sorted(answer.status for answer in guesses) == [401] * 3 + [429] * 6
    limited = await log_in(proxy, user.name)  # even with the correct password
    limited.refused(429, "TooManyRequests")
    assert 1 <= int(limited.headers["Retry-After"]) <= 20
    assert limited.json["details"]["retryAfterSeconds"] == int(limited.headers["Retry-After"])
    for _ in range(3):  # an unknown name is limited too
        (await log_in(proxy, "nobody-at-all")).refused(401, "Unauthorized")
    (await log_in(proxy, "nobody-at-all")).refused(429, "TooManyRequests")
    other: User = await new_user()
    (await log_in(proxy, other.name)).expect(200)


async def test_wrong_passwords_are_limited_by_address(
    user: User, start_proxy: ProxyFactory
) -> None:
    settings = {
        "logins_per_address_per_minute": "3",
        "forwarded_allow_ips": "127.0.0.1",
    }
    proxy = Client(user.client.session, start_proxy(**settings).url)

    async def guess(address: str | None) -> int:
        headers = {"X-Forwarded-For": address} if address else {}
        body = {"username": unique("guess"), "password": PASSWORD}
        return (await proxy.post(LOGIN, body, headers=headers)).status

    assert [await guess("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
    assert await guess("192.0.2.2") == 401
    # One subscriber owns a whole /64.
    assert [await guess(f"2001:db8::{i}") for i in range(4)] == [401, 401, 401, 429]
    assert await guess("2001:db8:0:1::1") == 401


async def test_an_address_that_was_only_claimed_is_not_believed(
    user: User, start_proxy: ProxyFactory
) -> None:
    settings = {"logins_per_address_per_minute": "2"}
    proxy = Client(user.client.session, start_proxy(**settings).url)
    statuses = []
    for index in range(3):
        body = {"username": unique("guess"), "password": PASSWORD}
        headers = {"X-Forwarded-For": f"192.0.2.{index}", "X-Real-Ip": f"192.0.2.{index}"}
        statuses.append((await proxy.post(LOGIN, body, headers=headers)).status)
    assert statuses == [401, 401, 429]


async def test_many_logins_at_once_are_bounded_and_hold_up_nothing_else(
    user: User, start_proxy: ProxyFactory
) -> None:
    settings = {"hashes_at_once": "1", "hashes_waiting": "4", "logins_per_user_per_minute": "20"}
    process = start_proxy(**settings)
    proxy = Client(user.client.session, process.url, user.client.token)
    logins = [asyncio.create_task(log_in(proxy, user.name)) for _ in range(16)]
    answers = await asyncio.gather(*logins, proxy.get("/healthz"), proxy.get(ME))
    assert [answer.status for answer in answers[-2:]] == [200, 200]
    statuses = sorted(answer.status for answer in answers[:-2])
    assert statuses.count(200) >= 5
    assert set(statuses) == {200, 503}
    busy = next(answer for answer in answers if answer.status == 503)
    assert busy.headers["Retry-After"] == "2"
    for _ in range(20):  # the 503s did not count as guesses
        (await log_in(proxy, user.name)).expect(200)


async def test_passwords_are_not_logged(user: User, start_proxy: ProxyFactory) -> None:
    process = start_proxy(log_level="DEBUG")
    proxy = Client(user.client.session, process.url)
    name = unique("quiet")
    body = {"username": name, "email": f"{name}@example.com", "password": "hunter2-hunter2"}
    (await proxy.post("/api/v1/auth/register", body)).expect(201)
    (await log_in(proxy, name, "hunter2-hunter3")).refused(401, "Unauthorized")
    (await proxy.post("/api/v1/auth/register", body | {"password": "hunter2"})).expect(422)
    (await proxy.post(LOGIN, {"username": 7, "password": "hunter2"})).expect(422)
    token = (await log_in(proxy, user.name)).expect(200)["accessToken"]
    (await proxy.as_(token).get(ME)).expect(200)
    logged = process.logged()
    assert "/api/v1/auth/login" in logged
    assert "hunter2" not in logged
    assert token not in logged
    assert token.rsplit(".", 1)[1] not in logged
    assert "argon2" not in logged


async def test_a_serviceaccount_alone_is_no_user(anonymous: Client, kubectl: Kubectl) -> None:
    name = unique("bare")
    (await kubectl.call("create", "-f", "-", stdin=service_account(name))).ok()
    (await log_in(anonymous, name)).refused(401, "Unauthorized")
